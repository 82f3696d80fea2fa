// The address that LiveLike's webhooks are posted to. A message whose signature is right is answered 200, whatever becomes of
// it: what is no good stands among the source's problems.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { ApiError, invalid, notFound } from '../errors.ts';
import { collect, readJson } from '../http/body.ts';
import { BODY_LIMIT, type App } from '../http/route.ts';
import { readUuid } from '../ids.ts';
import { LiveLikeBody, Taken } from './intake-schemas.ts';
import { isSigned, readLiveLike } from './livelike.ts';
import type { SourceIntake } from './segment-routes.ts';
import { createSourceKeys } from './source-keys.ts';
import type { Source } from './source.ts';
import { takeCalls } from './take.ts';

const SIGNATURE = 'x-webhook-signature';

export function liveLikeRoutes(app: App, context: Context, { take, log, limits }: SourceIntake): void {
  const keys = createSourceKeys(context);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', async (_request: FastifyRequest, payload: IncomingMessage) => payload);

  /** The message, once its signature was found right. */
  const open = async (request: FastifyRequest, source: Source): Promise<unknown> => {
    const signature = request.headers[SIGNATURE];
    const body = request.body === undefined ? Buffer.alloc(0) : await collect(request.body as Readable, BODY_LIMIT); // by the parser above
    const message = await readJson(request, body);
    const now = context.clock.now();
    const secrets = [source.write_key];
    if (source.previous_write_key && (source.previous_write_key_until ?? 0) > now)
      secrets.push(source.previous_write_key);
    const texts = secrets.map((secret) => context.secrets.decrypt(secret));
    if (typeof signature === 'string' && message !== undefined && isSigned(body, message, signature, texts))
      return message;
    throw new ApiError('authentication_failed', {
      detail:
        signature === undefined
          ? 'X-Webhook-Signature is missing.'
          : 'X-Webhook-Signature is not the HMAC-SHA1 of this body by the key of the source: the client secret in LiveLike.',
      headers: { 'www-authenticate': 'Signature realm="grandstand"' },
    });
  };

  const config = { cors: false, ownAccess: 'signature' } as const;
  const schema = {
    operationId: 'receiveLiveLikeWebhook',
    summary: 'Receive a webhook of LiveLike',
    description:
      'The address that is given to LiveLike. Each event that is known becomes an activity of the one who acted; what is no good stands among the problems of the source.',
    tags: ['Sources'],
    params: Type.Object({ livelike_source_id: Type.String({ description: 'The id of a source of kind `livelike`.' }) }),
    describedBody: LiveLikeBody,
    response: { 200: Taken },
  };
  app.post('/v1/livelike/:livelike_source_id/', { schema, bodyLimit: BODY_LIMIT, config }, async (request) => {
    limits.address(request.address);
    const id = readUuid(request.params.livelike_source_id);
    const source = id === undefined ? undefined : await keys.liveLike(id);
    if (!source) throw notFound('There is no source of LiveLike’s webhooks at this address.');
    const message = await open(request, source);
    if (request.unsound) throw invalid('non_field_errors', Object.values(request.unsound).flat().join(' '));
    const application = await context.applications.getById(source.application_id);
    limits.application(application.client_id);
    const catalogue = await context.catalogues.get(application.id);
    const receivedAt = context.clock.now();
    const calls = readLiveLike(message, { mapping: source.mapping, trust: 'server', catalogue, receivedAt });
    await takeCalls(take, application, source, calls);
    await log.add(source, calls);
    return { success: true };
  });
}
