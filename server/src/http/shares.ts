// Each application has its share of the server: what one asks for at once waits in a queue of its own, so that another one
// waits for little more than without it. Two kinds of requests are shared, those that take a connection of the pool for
// a moment and those that read much; a route says which its is (`config.share`).

import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { createGate, type Gate } from '../database/gate.ts';
import { ApiError } from '../errors.ts';
import type { App } from './route.ts';

/**
 * `usual`: takes connections of the pool, one after the other; most routes. `heavy`: reads as much as there is, for as long
 * as that takes. `none`: reads by key over the shared connections, or waits for its turn elsewhere.
 */
export type Share = 'usual' | 'heavy' | 'none';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What it takes of the application's share of the server. Default: `usual`; `none` where it reads its body itself, as fast as its caller sends. */
    share?: Share | ((request: FastifyRequest) => Share);
  }
  interface FastifyRequest {
    /** Gives back what it took of the application's share. */
    leaveShare: (() => void) | undefined;
  }
}

/** Connections that no application alone may take. */
const SPARE = 2;
const HEAVY = { room: 4, alone: 2, share: 1 };
/** Beyond that, who comes next is told so: each that waits holds its body. */
const MOST_WAITING = { usual: 1_000, heavy: 100 };

export function registerShares(app: App, { config, neighbours }: Context): void {
  const room = config.databasePoolSize;
  const gates = {
    usual: createGate({ room, alone: Math.max(1, room - SPARE), neighbours }),
    heavy: createGate({ ...HEAVY, neighbours }),
  };
  app.decorateRequest('leaveShare', undefined);
  app.addHook('preHandler', async (request, reply) => {
    const { clientId } = request;
    if (clientId === undefined) return;
    neighbours.saw(clientId);
    const share = shareOf(request);
    if (share === 'none') return;
    if (gates[share].waiting(clientId) >= MOST_WAITING[share])
      throw new ApiError('throttled', { detail: 'Too many requests of this application wait already.', retryAfter: 1 });
    await takeShare(gates[share], clientId, request, reply);
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    // What is streamed is read until it has left.
    if (!(payload instanceof Readable)) request.leaveShare?.();
    done(null, payload);
  });
}

function shareOf(request: FastifyRequest): Share {
  const { access, rawBody, share = rawBody === true ? 'none' : 'usual' } = request.routeOptions.config;
  if (access === undefined) return 'none';
  return typeof share === 'function' ? share(request) : share;
}

/** Until it is this request's turn. One whose caller has gone, or was told that it took too long, never gets one. */
async function takeShare(gate: Gate, clientId: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const gone = new AbortController();
  const closed = (): void => {
    gone.abort();
    request.leaveShare?.();
  };
  reply.raw.once('close', closed);
  request.leaveShare = await gate.enter(clientId, { signal: gone.signal });
}
