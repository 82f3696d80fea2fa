// Begins an audit entry for each request by which a producer or an admin token changes something. The row is written in the
// first transaction that the request commits (database/before-commit.ts); a request that fails before leaves none.

import type { FastifyRequest, RouteOptions } from 'fastify';
import type { Context } from '../context.ts';
import type { App } from '../http/route.ts';
import type { Actor, AuditObject } from './entry.ts';
import { withEntry, type AuditEntry } from './entry.ts';
import { insertEntry } from './audit-store.ts';
import { redact } from './redact.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Why a call that changes something is no change of a person's and leaves no row; or `personal data`: a reading that
     * leaves one all the same.
     */
    audit?: 'personal data' | { none: string };
  }
}

type Handler = RouteOptions['handler'];

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** After the idempotency keys: a repeat is no change, and the effect's transaction is the outer one. */
export function registerAudit(app: App, context: Context): void {
  app.addHook('onRoute', (route) => {
    const { config } = route;
    if (config?.access === undefined || typeof config.audit === 'object') return;
    const isReading = config.audit === 'personal data';
    const changes = [route.method].flat().some((method) => UNSAFE.has(method)) && config.reads !== true;
    if (!changes && !isReading) return;
    route.handler = audited(context, route.handler, isReading);
  });
}

function audited(context: Context, handler: Handler, isReading: boolean): Handler {
  return async function (this: ThisParameterType<Handler>, request, reply) {
    const entry = await beginEntry(context, request);
    if (!entry) return handler.call(this, request, reply) as unknown;
    const write = (tx: Parameters<typeof insertEntry>[0]): Promise<void> => insertEntry(tx, entry, context.clock.now());
    if (isReading)
      return withEntry(entry, () =>
        reading(
          entry,
          () => write(context.db),
          () => handler.call(this, request, reply),
        ),
      );
    return withEntry(entry, () =>
      context.db.beforeCommit(write, async () => (await handler.call(this, request, reply)) as unknown),
    );
  };
}

/** The row is there before anything of the answer is sent. */
async function reading(entry: AuditEntry, write: () => Promise<void>, handle: () => unknown): Promise<unknown> {
  let written: Promise<void> | undefined;
  entry.record = () => (written ??= write());
  const answer = await handle();
  await entry.record();
  return answer;
}

async function beginEntry(context: Context, request: FastifyRequest): Promise<AuditEntry | undefined> {
  const actor = actorOf(request);
  if (!actor) return undefined;
  const params = request.params as Record<string, string | undefined>; // path parameters are strings
  const { credential } = request;
  const application =
    credential?.kind === 'admin'
      ? credential.application
      : params['client_id'] !== undefined
        ? await context.applications.find(params['client_id'])
        : credential?.kind === 'producer'
          ? [...credential.roles.values()][0]?.application
          : undefined;
  if (!application) return undefined;
  const { body } = request;
  const isData = typeof body === 'object' && body !== null && !Buffer.isBuffer(body) && !('pipe' in body);
  return {
    applicationId: application.id,
    actor,
    address: request.address,
    requestId: request.id,
    action: (request.routeOptions.schema as { operationId?: string } | undefined)?.operationId ?? request.method,
    object: objectOf(params),
    ...(isData && Object.keys(body).length > 0 && { request: redact(body) }),
  };
}

function actorOf({ credential }: FastifyRequest): Actor | undefined {
  if (credential?.kind === 'admin') return { kind: 'token', id: credential.tokenId, name: credential.name };
  if (credential?.kind === 'producer') return { kind: 'producer', id: credential.producerId, name: credential.email };
  return undefined;
}

/** Whose names in paths say less. */
const OBJECTS: Readonly<Record<string, string>> = {
  key: 'attribute',
  type: 'activity_type',
  custom_id: 'profile',
  token_id: 'token',
};

/** By the last parameter of the path: `group_id` names a group. */
function objectOf(params: Record<string, string | undefined>): AuditObject | undefined {
  const named = Object.entries(params).filter(([name, value]) => name !== 'client_id' && value !== undefined);
  const [name, id] = named.at(-1) ?? [];
  return name === undefined ? undefined : { type: OBJECTS[name] ?? name.replace(/_id$/, ''), id: id ?? null };
}
