// The own groups of a profile as server-sent events. The stream carries whole lists, so a client that missed one misses
// nothing. It ends with its credential: before anything is told, and at each heartbeat where there is nothing to tell.

import { PassThrough } from 'node:stream';
import type { Context } from '../context.ts';
import { ApiError, notFound } from '../errors.ts';
import { ClientProfileParams } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { reachToChange } from '../profiles/reach.ts';
import { watchOwnGroups, type OwnGroup } from './own-groups-watch.ts';
import { createStreamPlaces } from './stream-places.ts';

const HEARTBEAT_MS = 15_000;
const LIFETIME_MS = 600_000;
/** A reader that lags this far behind has gone, or will come back and get the newest list. */
const MAX_BACKLOG_BYTES = 256 * 1024;

export function ownGroupsRoutes(app: App, context: Context): void {
  const watch = watchOwnGroups(context);
  const streams = new Set<PassThrough>();
  const places = createStreamPlaces(context.config.streamLimits);

  // One timer for all: a stream that ends is one that its reader left, that lags, or whose time is over.
  const heartbeat = setInterval(() => {
    for (const stream of streams) write(stream, ':\n\n');
    watch
      .endInvalid()
      .catch((error: unknown) => context.log.warn({ err: error }, 'credentials of streams could not be read'));
  }, HEARTBEAT_MS);
  heartbeat.unref();

  app.addHook('preClose', async () => {
    clearInterval(heartbeat);
    watch.close();
    for (const stream of streams) stream.end();
  });

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/profile-groups/events/',
    {
      config: { access: 'any', share: 'none' },
      handlerTimeout: LIFETIME_MS * 2,
      schema: {
        operationId: 'followOwnGroups',
        summary: 'Follow the groups of a profile',
        description:
          'Server-sent events. Each `data` is the whole list of the visible groups that the profile is in, as `results` of the list has them: ' +
          'once at the start, then within a second of each change. The stream ends with its token, and after some minutes; connect again. ' +
          'Beyond the limits for each address, profile and application it is 429.',
        tags: ['Profile groups'],
        params: ClientProfileParams,
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      const { application, profile } = await reachToChange(context, request);
      const { credential } = request;
      if (!credential) throw new ApiError('internal_error'); // access 'any' lets no request in without
      if (application.client_id !== request.params.client_id) throw notFound();
      const stream = new PassThrough();
      const owner = { clientId: application.client_id, profileId: profile.id, address: request.address };
      const leavePlace = places.take(owner, () => stream.end());
      streams.add(stream);
      const leave = watch.add(application.id, profile.id, {
        credential,
        tell: (groups) => write(stream, toEvent(groups)),
        end: () => stream.end(),
      });
      const timer = setTimeout(() => stream.end(), LIFETIME_MS * (0.8 + 0.4 * Math.random()));
      timer.unref();
      stream.once('close', () => {
        clearTimeout(timer);
        leave();
        streams.delete(stream);
        leavePlace();
      });
      reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no');
      return reply.send(stream);
    },
  );
}

function write(stream: PassThrough, text: string): void {
  if (stream.destroyed || stream.writableEnded) return;
  if (stream.writableLength + stream.readableLength > MAX_BACKLOG_BYTES) stream.destroy();
  else stream.write(text);
}

const toEvent = (groups: OwnGroup[]): string => `event: groups\ndata: ${JSON.stringify(groups)}\n\n`;
