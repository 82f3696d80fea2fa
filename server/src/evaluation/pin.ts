// Pins: a person's word over the rule, for one profile in one dynamic group, with a reason and maybe an end. Setting one
// queues the profile; the end of one is swept like any other edge of time.

import { nullable } from '../http/schemas.ts';
import { Type, type Static } from 'typebox';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import { conflict, notFound, ValidationError, type FieldErrors } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import { getGroup } from '../groups/group-service.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { orItsTarget } from '../profiles/alias-store.ts';
import { enqueueRows } from '../queue/queue.ts';
import { groupKey } from './rules-cache.ts';

export const MAX_REASON = 1000;

export interface PinRow {
  group_id: string;
  profile_id: string;
  pin: 'in' | 'out';
  reason: string;
  expires_at: Instant | null;
  created_at: Instant;
  created_by: string;
}

export const PinFields = Type.Object({
  pin: Type.Optional(Type.Unknown({ description: '`in` or `out`.' })),
  reason: Type.Optional(Type.Unknown({ description: `Why, at most ${MAX_REASON} characters. Default: nothing.` })),
  expires_at: Type.Optional(
    Type.Unknown({ description: 'An instant to come; from then on the rule decides again. Default: never.' }),
  ),
});
export type PinFields = Static<typeof PinFields>;

export const PinResource = Type.Object(
  {
    pin: Type.Unsafe<'in' | 'out'>({ type: 'string', enum: ['in', 'out'] }),
    reason: Type.String(),
    expires_at: nullable({ description: 'Null: never.' }),
    created_at: Type.String(),
    created_by: Type.String({
      description: '`token:<name>` or `producer:<email>`; for read-only tokens `token` or `producer`.',
    }),
  },
  { $id: 'Pin' },
);
export type PinResource = Static<typeof PinResource>;

export const presentPin = (row: PinRow): PinResource => ({
  pin: row.pin,
  reason: row.reason,
  expires_at: row.expires_at === null ? null : formatInstant(row.expires_at),
  created_at: formatInstant(row.created_at),
  created_by: row.created_by,
});

function readPin(fields: PinFields, now: Instant): Pick<PinRow, 'pin' | 'reason' | 'expires_at'> {
  const errors: FieldErrors = {};
  const { pin, reason = '', expires_at: end = null } = fields;
  if (pin !== 'in' && pin !== 'out')
    errors['pin'] = [pin === undefined ? 'This field is required.' : 'Must be "in" or "out".'];
  const length = typeof reason === 'string' ? [...reason.trim()].length : -1;
  if (length < 0 || length > MAX_REASON)
    errors['reason'] = [`This must be a text of at most ${MAX_REASON} characters.`];
  const expiresAt = typeof end === 'string' ? parseInstant(end) : undefined;
  if (end !== null && expiresAt === undefined) errors['expires_at'] = ['This must be an ISO 8601 instant, or null.'];
  else if (expiresAt !== undefined && expiresAt <= now) errors['expires_at'] = ['This must lie in the future.'];
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return { pin: pin as 'in' | 'out', reason: String(reason).trim(), expires_at: expiresAt ?? null }; // checked above
}

async function getDynamic(context: Context, application: Application, text: string): Promise<Group> {
  const group = await getGroup(context.db, application.id, text);
  if (group.membership_type === 'static')
    throw conflict('Only members of a dynamic group can be pinned; add or remove members of a static one.');
  return group;
}

/** Sets the pin of a profile, in the place of another. */
export async function setPin(
  context: Context,
  application: Application,
  groupText: string,
  profileText: string,
  fields: PinFields,
  actor: string,
): Promise<PinResource> {
  const group = await getDynamic(context, application, groupText);
  const profileId = readUuid(profileText);
  if (profileId === undefined) throw notFound();
  const now = context.clock.now();
  const pin = readPin(fields, now);
  return context.db.transaction(async (tx) => {
    const profile = await orItsTarget(tx, profileId, (id) => holdProfile(tx, application.id, id));
    if (!profile) throw notFound();
    const { rows } = await tx.query<PinRow>(sql`
      insert into pins (profile_id, group_id, application_id, ordinal, pin, reason, expires_at, created_at, created_by)
      values (${profile.id}, ${group.id}, ${application.id}, ${profile.ordinal}, ${pin.pin}, ${pin.reason},
        ${pin.expires_at === null ? null : formatInstant(pin.expires_at)}, ${formatInstant(now)}, ${actor})
      on conflict (profile_id, group_id) do update set pin = excluded.pin, reason = excluded.reason, expires_at = excluded.expires_at,
        created_at = excluded.created_at, created_by = excluded.created_by
      returning profile_id, group_id, pin, reason, expires_at, created_at, created_by`);
    await queuePin(tx, application.id, profile, group.id, now);
    const [row] = rows;
    if (!row) throw new Error('an upsert gives its row');
    return presentPin(row);
  });
}

interface HeldProfile {
  id: string;
  ordinal: number;
}

/** Until the transaction ends the profile is neither erased nor merged. */
async function holdProfile(tx: Queryable, applicationId: number, id: string): Promise<HeldProfile | undefined> {
  const { rows } = await tx.query<HeldProfile>(sql`
    select id, ordinal from profiles where id = ${id} and application_id = ${applicationId} for key share`);
  return rows[0];
}

/** The rule decides again. */
export async function deletePin(
  context: Context,
  application: Application,
  groupText: string,
  profileText: string,
): Promise<void> {
  const group = await getDynamic(context, application, groupText);
  const profileId = readUuid(profileText);
  if (profileId === undefined) throw notFound();
  await context.db.transaction(async (tx) => {
    const profile = await orItsTarget(tx, profileId, async (id) => {
      const { rows } = await tx.query<HeldProfile>(sql`
        delete from pins where profile_id = ${id} and group_id = ${group.id} returning profile_id as id, ordinal`);
      return rows[0];
    });
    if (!profile) throw notFound();
    await queuePin(tx, application.id, profile, group.id, context.clock.now());
  });
}

async function queuePin(
  tx: Parameters<typeof getGroup>[0],
  applicationId: number,
  profile: { id: string; ordinal: number },
  groupId: string,
  now: Instant,
): Promise<void> {
  await tx.query(
    enqueueRows(
      { applicationId, cause: 'pin', now },
      sql`select ${profile.id}::uuid as profile_id, ${profile.ordinal}::int as ordinal, ${[groupKey.pin(groupId)]}::text[] as changed`,
    ),
  );
}
