import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { ApiError, ValidationError } from '../errors.ts';
import { ClientIdParams } from '../http/schemas.ts';
import { LARGE_BODY_LIMIT, type App } from '../http/server.ts';
import { isRecord } from '../rules/fields.ts';
import { IntakeAnswer, IntakeBody, MAX_BATCH } from './activity.ts';
import { createFloodGate } from './flood.ts';
import { createIntake } from './intake.ts';
import type { Sender } from './read-items.ts';

export function activityRoutes(app: App, context: Context): void {
  const intake = createIntake(context);
  const flood = createFloodGate(context.config.limits.perProfile);

  app.post(
    '/api/v1/applications/:client_id/activities/',
    {
      bodyLimit: LARGE_BODY_LIMIT,
      config: { access: 'any' },
      // Only the envelope can be wrong as a whole, and the handler reads it; the schema is for the documentation.
      validatorCompiler: () => () => true,
      schema: {
        operationId: 'sendActivities',
        summary: 'Send activities',
        description:
          `1 to ${MAX_BATCH} activities. Each is accepted, a duplicate (its \`id\` is known of the profile; the first content stands) or rejected by itself. ` +
          'What the answer counts as accepted is stored durably. A profile’s token sends its own activities, of types marked `client`, with the value 1, at most 7 days back.',
        tags: ['Activities'],
        params: ClientIdParams,
        body: IntakeBody,
        response: { 200: IntakeAnswer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const items = readEnvelope(request.body);
      const sender = senderOf(request);
      if (sender.kind === 'profile') flood(sender.profile.id, items.length);
      return intake.receive(application, sender, items);
    },
  );
}

function senderOf({ credential }: FastifyRequest): Sender {
  if (!credential) throw new ApiError('not_authenticated');
  return credential.kind === 'profile' ? { kind: 'profile', profile: credential.profile } : { kind: 'admin' };
}

function readEnvelope(body: unknown): unknown[] {
  if (!isRecord(body)) throw new ValidationError({ non_field_errors: ['The body must be object.'] });
  const { activities } = body;
  if (activities === undefined) throw new ValidationError({ activities: ['This field is required.'] });
  if (!Array.isArray(activities)) throw new ValidationError({ activities: ['This field must be array.'] });
  if (activities.length < 1) throw new ValidationError({ activities: ['This field must have at least 1 items.'] });
  if (activities.length > MAX_BATCH) throw new ValidationError({ activities: [`This field must have at most ${MAX_BATCH} items.`] });
  return activities as unknown[];
}

