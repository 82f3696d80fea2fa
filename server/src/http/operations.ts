// For operators: whether the process lives, whether it can serve, and its metrics.

import type { Context } from '../context.ts';
import type { Installation } from '../doctor/watch.ts';
import { sql } from '../database/database.ts';
import { ApiError } from '../errors.ts';
import type { App } from './route.ts';

/** `installation`: what works and yet is not as it should be in public. */
export function operationsRoutes(app: App, context: Context, installation: Pick<Installation, 'warnings'>): void {
  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'ok' }));

  app.get('/readyz', { schema: { hide: true } }, async () => {
    try {
      await context.db.query(sql`select 1`);
    } catch (error) {
      throw new ApiError('unavailable', { detail: 'The database cannot be reached.', retryAfter: 2, cause: error });
    }
    const warnings = installation.warnings().map(({ what }) => what);
    return { status: 'ready', ...(warnings.length > 0 && { warnings }) };
  });

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    const { pool } = context.db;
    context.metrics.poolConnections.set({ state: 'total' }, pool.totalCount);
    context.metrics.poolConnections.set({ state: 'idle' }, pool.idleCount);
    context.metrics.poolConnections.set({ state: 'waiting' }, pool.waitingCount);
    reply.type(context.metrics.registry.contentType);
    return context.metrics.registry.metrics();
  });
}
