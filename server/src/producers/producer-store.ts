import type { ProducerRole } from '../credential.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import type { Instant } from '../instant.ts';

export interface ProducerRow {
  id: string;
  email: string;
  name: string;
  password_hash: string | null;
  created_at: Instant;
}

const COLUMNS = sql`id, email, name, password_hash, created_at`;

export async function findProducerByEmail(db: Queryable, email: string): Promise<ProducerRow | undefined> {
  const { rows } = await db.query<ProducerRow>(sql`select ${COLUMNS} from producers where email = ${email}`);
  return rows[0];
}

export async function findProducer(db: Queryable, id: string): Promise<ProducerRow | undefined> {
  const { rows } = await db.query<ProducerRow>(sql`select ${COLUMNS} from producers where id = ${id}`);
  return rows[0];
}

export async function hasProducers(db: Queryable): Promise<boolean> {
  const { rows } = await db.query(sql`select 1 from producers limit 1`);
  return rows.length > 0;
}

/** False where the address is taken. */
export async function insertProducer(
  db: Queryable,
  row: { id: string; email: string; name: string; password_hash: string; now: string },
): Promise<boolean> {
  const { count } = await db.query(sql`
    insert into producers (id, email, name, password_hash, created_at, updated_at, sessions_valid_after)
    values (${row.id}, ${row.email}, ${row.name}, ${row.password_hash}, ${row.now}, ${row.now}, '-infinity')
    on conflict (email) do nothing`);
  return count > 0;
}

export async function updatePassword(db: Queryable, id: string, passwordHash: string, now: string): Promise<void> {
  await db.query(sql`update producers set password_hash = ${passwordHash}, updated_at = ${now} where id = ${id}`);
}

// Attempts

/**
 * Counts an attempt before the password is looked at, so that many at once cannot slip through together. False while its
 * bucket is locked: so many attempts, then the first of `locks`, then the next each time. Instants are computed before: what
 * a cluster does on conflict must be the same on every node.
 */
export async function countAttempt(
  db: Queryable,
  bucket: Buffer,
  { limit, now, forgottenBefore, locks }: { limit: number; now: string; forgottenBefore: string; locks: string[] },
): Promise<boolean> {
  const isForgotten = sql`a.last_at < ${forgottenBefore}::timestamptz`;
  const { count } = await db.query(sql`
    insert into sign_in_attempts as a (bucket_hash, failures, last_at) values (${bucket}, 1, ${now})
    on conflict (bucket_hash) do update set
      failures = case when ${isForgotten} then 1 else a.failures + 1 end,
      last_at = excluded.last_at,
      locked_until = case when not ${isForgotten} and a.failures + 1 >= ${limit}::int
        then (${locks}::timestamptz[])[least(a.failures + 2 - ${limit}::int, ${locks.length}::int)] end
    where a.locked_until is null or a.locked_until <= excluded.last_at`);
  return count > 0;
}

export async function findLock(db: Queryable, bucket: Buffer): Promise<Instant | undefined> {
  const { rows } = await db.query<{ locked_until: Instant | null }>(
    sql`select locked_until from sign_in_attempts where bucket_hash = ${bucket}`,
  );
  return rows[0]?.locked_until ?? undefined;
}

export async function forgetAttempts(db: Queryable, bucket: Buffer): Promise<void> {
  await db.query(sql`delete from sign_in_attempts where bucket_hash = ${bucket}`);
}

export async function forgetOldAttempts(db: Queryable, before: string): Promise<void> {
  const { rows } = await db.query<{ bucket_hash: Buffer }>(
    sql`select bucket_hash from sign_in_attempts where last_at < ${before} limit 500`,
  );
  if (rows.length === 0) return;
  const hashes = rows.map((row) => row.bucket_hash);
  await db.query(
    sql`delete from sign_in_attempts where bucket_hash = any (${hashes}::bytea[]) and last_at < ${before}`,
  );
}

// Devices

/** Whether somebody signed in with this e-mail address from this device, or from this address, since then. */
export async function findKnownSource(
  db: Queryable,
  email: string,
  { device, address, since }: { device: Buffer | null; address: Buffer; since: string },
): Promise<{ device: boolean; address: boolean }> {
  const { rows } = await db.query<{ device: boolean | null; address: boolean | null }>(sql`
    select bool_or(d.token_hash = ${device}::bytea) as device, bool_or(d.address_hash = ${address}) as address
    from producer_devices d join producers p on p.id = d.producer_id
    where p.email = ${email} and d.last_used_at > ${since}`);
  return { device: rows[0]?.device === true, address: rows[0]?.address === true };
}

interface DeviceRow {
  token_hash: Buffer;
  producer_id: string;
  address_hash: Buffer;
  now: string;
}

/** False where it is no device of this producer. */
export async function touchDevice(db: Queryable, row: DeviceRow): Promise<boolean> {
  const { count } = await db.query(sql`
    update producer_devices set address_hash = ${row.address_hash}, last_used_at = ${row.now}
    where token_hash = ${row.token_hash} and producer_id = ${row.producer_id}`);
  return count > 0;
}

export async function insertDevice(db: Queryable, row: DeviceRow): Promise<void> {
  await db.query(sql`
    insert into producer_devices (token_hash, producer_id, address_hash, created_at, last_used_at)
    values (${row.token_hash}, ${row.producer_id}, ${row.address_hash}, ${row.now}, ${row.now})`);
}

/** All but the newest, and those that nobody used since then. */
export async function deleteOldDevices(db: Queryable, producerId: string, since: string, kept: number): Promise<void> {
  await db.query(sql`
    delete from producer_devices where producer_id = ${producerId} and (last_used_at <= ${since} or token_hash not in (
      select token_hash from producer_devices where producer_id = ${producerId} order by last_used_at desc limit ${kept}))`);
}

/** All but the one that asks. */
export async function deleteOtherDevices(db: Queryable, producerId: string, kept: Buffer | null): Promise<void> {
  await db.query(sql`
    delete from producer_devices where producer_id = ${producerId} and token_hash is distinct from ${kept}::bytea`);
}

// Sessions

export interface SessionRow {
  producer_id: string;
  email: string;
  name: string;
  csrf_token: string;
  last_used_at: Instant;
}

export interface RoleRow {
  client_id: string;
  role: ProducerRole;
}

export async function insertSession(
  db: Queryable,
  row: { token_hash: Buffer; producer_id: string; csrf_token: string; now: string; expires_at: string },
): Promise<void> {
  await db.query(sql`
    insert into producer_sessions (token_hash, producer_id, csrf_token, created_at, expires_at, last_used_at)
    values (${row.token_hash}, ${row.producer_id}, ${row.csrf_token}, ${row.now}, ${row.expires_at}, ${row.now})`);
}

export async function findSession(
  db: Queryable,
  tokenHash: Buffer,
  now: string,
  idleSince: string,
): Promise<SessionRow | undefined> {
  const { rows } = await db.query<SessionRow>(sql`
    select s.producer_id, p.email, p.name, s.csrf_token, s.last_used_at
    from producer_sessions s join producers p on p.id = s.producer_id
    where s.token_hash = ${tokenHash} and s.expires_at > ${now} and s.last_used_at > ${idleSince}
      and s.created_at > p.sessions_valid_after`);
  return rows[0];
}

/** Of these sessions, by their hashes in hex, the good ones with the client ids that their producers have a role in. */
export async function listLiveSessions(
  db: Queryable,
  ids: string[],
  now: string,
  idleSince: string,
): Promise<Map<string, string[]>> {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<{ id: string; client_ids: string[] }>(sql`
    select encode(s.token_hash, 'hex') as id,
      array(select a.client_id from producer_roles r join applications a on a.id = r.application_id where r.producer_id = p.id) as client_ids
    from producer_sessions s join producers p on p.id = s.producer_id
    where s.token_hash = any (${ids.map((id) => Buffer.from(id, 'hex'))}::bytea[]) and s.expires_at > ${now}
      and s.last_used_at > ${idleSince} and s.created_at > p.sessions_valid_after`);
  return new Map(rows.map((row) => [row.id, row.client_ids]));
}

export async function touchSession(db: Queryable, tokenHash: Buffer, now: string): Promise<void> {
  await db.query(
    sql`update producer_sessions set last_used_at = ${now} where token_hash = ${tokenHash} and last_used_at < ${now}`,
  );
}

export async function deleteSession(db: Queryable, tokenHash: Buffer): Promise<void> {
  await db.query(sql`delete from producer_sessions where token_hash = ${tokenHash}`);
}

/** The instant kills also what is being made at this moment from an older sign-in. */
export async function endSessions(db: Queryable, producerId: string, now: string): Promise<void> {
  await db.query(sql`update producers set sessions_valid_after = ${now} where id = ${producerId}`);
  await db.query(sql`delete from producer_sessions where producer_id = ${producerId} and created_at <= ${now}`);
}

export async function deleteDeadSessions(
  db: Queryable,
  producerId: string,
  now: string,
  idleSince: string,
): Promise<void> {
  await db.query(sql`
    delete from producer_sessions
    where producer_id = ${producerId} and (expires_at <= ${now} or last_used_at <= ${idleSince})`);
}

// Roles

export async function listRoles(db: Queryable, producerId: string): Promise<RoleRow[]> {
  const { rows } = await db.query<RoleRow>(sql`
    select a.client_id, r.role from producer_roles r join applications a on a.id = r.application_id
    where r.producer_id = ${producerId} order by a.id`);
  return rows;
}

export interface ProducerOfApplication {
  id: string;
  email: string;
  name: string;
  role: ProducerRole;
  created_at: Instant;
}

export const PRODUCER_ORDER: Order<ProducerOfApplication> = {
  name: 'producers',
  columns: [{ column: 'p.email', type: 'text' }],
  descending: false,
  key: ({ email }) => [email],
};

/** Rows and count of one snapshot. */
export async function pageOfProducers(
  db: Database,
  applicationId: number,
  page: PageRequest,
): Promise<{ rows: ProducerOfApplication[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, PRODUCER_ORDER);
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`
            select count(*) as count from producer_roles where application_id = ${applicationId}`)
        : undefined;
      const { rows } = await tx.query<ProducerOfApplication>(sql`
        select p.id, p.email, p.name, r.role, r.created_at from producer_roles r join producers p on p.id = r.producer_id
        where r.application_id = ${applicationId}${after}${orderAndLimit}`);
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

/** The application's producers with their roles, locked, so that two cannot take the last owner away from each other. */
export async function lockRoles(
  db: Queryable,
  applicationId: number,
): Promise<{ producer_id: string; role: ProducerRole }[]> {
  const { rows } = await db.query<{ producer_id: string; role: ProducerRole }>(sql`
    select producer_id, role from producer_roles where application_id = ${applicationId} order by producer_id for update`);
  return rows;
}

export async function upsertRole(
  db: Queryable,
  producerId: string,
  applicationId: number,
  role: ProducerRole,
  now: string,
): Promise<void> {
  await db.query(sql`
    insert into producer_roles (producer_id, application_id, role, created_at)
    values (${producerId}, ${applicationId}, ${role}, ${now})
    on conflict (producer_id, application_id) do update set role = excluded.role`);
}

export async function deleteRole(db: Queryable, producerId: string, applicationId: number): Promise<void> {
  await db.query(
    sql`delete from producer_roles where producer_id = ${producerId} and application_id = ${applicationId}`,
  );
}

// Invitations

export interface InvitationRow {
  id: string;
  email: string | null;
  application_id: number;
  role: ProducerRole;
  created_at: Instant;
  expires_at: Instant;
}

const INVITATION = sql`encode(token_hash, 'hex') as id, email, application_id, role, created_at, expires_at`;

export async function insertInvitation(
  db: Queryable,
  row: {
    token_hash: Buffer;
    email: string | null;
    application_id: number;
    role: ProducerRole;
    now: string;
    expires_at: string;
    invited_by: string | null;
  },
): Promise<void> {
  await db.query(sql`
    insert into producer_invitations (token_hash, email, application_id, role, created_at, expires_at, invited_by)
    values (${row.token_hash}, ${row.email}, ${row.application_id}, ${row.role}, ${row.now}, ${row.expires_at}, ${row.invited_by})`);
}

/** One that can still be accepted. */
export async function findInvitation(
  db: Queryable,
  tokenHash: Buffer,
  now: string,
): Promise<InvitationRow | undefined> {
  const { rows } = await db.query<InvitationRow>(sql`
    select ${INVITATION} from producer_invitations
    where token_hash = ${tokenHash} and accepted_at is null and expires_at > ${now}`);
  return rows[0];
}

/** False where another request was faster. */
export async function takeInvitation(db: Queryable, tokenHash: Buffer, now: string): Promise<boolean> {
  const { count } = await db.query(sql`
    update producer_invitations set accepted_at = ${now}
    where token_hash = ${tokenHash} and accepted_at is null and expires_at > ${now}`);
  return count > 0;
}

export async function listInvitations(
  db: Queryable,
  applicationId: number,
  now: string,
  limit: number,
): Promise<InvitationRow[]> {
  const { rows } = await db.query<InvitationRow>(sql`
    select ${INVITATION} from producer_invitations
    where application_id = ${applicationId} and email is not null and accepted_at is null and expires_at > ${now}
    order by created_at desc limit ${limit}`);
  return rows;
}

export async function deleteInvitation(db: Queryable, applicationId: number, id: string): Promise<boolean> {
  const { count } = await db.query(sql`
    delete from producer_invitations where application_id = ${applicationId} and token_hash = decode(${id}, 'hex') and accepted_at is null`);
  return count > 0;
}

export async function deleteInvitationsOf(db: Queryable, applicationId: number, email: string): Promise<void> {
  await db.query(sql`
    delete from producer_invitations where application_id = ${applicationId} and email = ${email} and accepted_at is null`);
}

/** What a producer invited to an application, not accepted yet. */
export async function deleteInvitationsBy(db: Queryable, applicationId: number, producerId: string): Promise<void> {
  await db.query(sql`
    delete from producer_invitations
    where application_id = ${applicationId} and invited_by = ${producerId} and accepted_at is null`);
}

/** First owners' links that can still be used. */
export async function listFirstOwnerInvitations(db: Queryable, now: string): Promise<InvitationRow[]> {
  const { rows } = await db.query<InvitationRow>(sql`
    select ${INVITATION} from producer_invitations where email is null and accepted_at is null and expires_at > ${now}`);
  return rows;
}

/** All first owners' links but this one. */
export async function deleteFirstOwnerInvitations(db: Queryable, but: Buffer): Promise<void> {
  await db.query(
    sql`delete from producer_invitations where email is null and accepted_at is null and token_hash <> ${but}`,
  );
}

/** The transaction that makes the first owner, or the link for it, holds this until its transaction ends, so that there is one. */
export async function lockFirstOwner(db: Queryable): Promise<void> {
  await db.query(sql`select pg_advisory_xact_lock(hashtext('grandstand first owner'))`);
}

export async function listApplicationIds(db: Queryable): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(sql`select id from applications order by id`);
  return rows.map((row) => row.id);
}
