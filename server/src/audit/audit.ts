// The audit log: every change that a producer or an admin token made.

import { Type } from 'typebox';
import { Timestamp, nullable } from '../http/schemas.ts';
import { formatInstant } from '../instant.ts';
import type { AuditRow } from './audit-store.ts';

const anything = (description: string) => Type.Optional(Type.Unsafe<unknown>({ description }));

export const AuditResource = Type.Object(
  {
    id: Type.String(),
    at: Timestamp('When.'),
    actor: Type.Object({
      kind: Type.Unsafe<string>({ type: 'string', enum: ['producer', 'token', 'command line'] }),
      id: nullable(),
      name: Type.String({ description: 'A producer’s e-mail address, or the name of an admin token.' }),
    }),
    address: nullable({ description: 'From where.' }),
    request_id: nullable({ description: 'As the answer’s X-Request-Id.' }),
    action: Type.String({ description: 'The operation, as the OpenAPI document names it.', examples: ['updateGroup'] }),
    object: Type.Unsafe<{ type: string; id: string | null; name: string | null } | null>({
      type: ['object', 'null'],
      properties: { type: { type: 'string' }, id: { type: ['string', 'null'] }, name: { type: ['string', 'null'] } },
      description: 'What was changed: `{type, id, name}`.',
    }),
    before: anything('What it was, where that was known. Secrets never.'),
    after: anything('What it is.'),
    request: anything('What was sent.'),
  },
  { $id: 'AuditEntry' },
);

export function presentEntry(row: AuditRow) {
  return {
    id: row.id,
    at: formatInstant(row.at),
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
    address: row.address,
    request_id: row.request_id,
    action: row.action,
    object: row.object_type === null ? null : { type: row.object_type, id: row.object_id, name: row.object_name },
    ...row.details,
  };
}
