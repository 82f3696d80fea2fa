import { sql, type Database, type Queryable } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { ApplicationLimits } from './application.ts';

export interface ApplicationRow {
  id: number;
  client_id: string;
  name: string;
  time_zone: string;
  client_secret: Buffer;
  previous_client_secret: Buffer | null;
  previous_client_secret_until: Instant | null;
  limits: ApplicationLimits;
  fans_may_search: boolean;
  created_at: Instant;
}

const COLUMNS = sql`id, client_id, name, time_zone, client_secret, previous_client_secret, previous_client_secret_until, limits, fans_may_search, created_at`;

export async function findApplication(db: Queryable, clientId: string): Promise<ApplicationRow | undefined> {
  const { rows } = await db.query<ApplicationRow>(
    sql`select ${COLUMNS} from applications where client_id = ${clientId}`,
  );
  return rows[0];
}

export async function listApplications(db: Queryable): Promise<ApplicationRow[]> {
  const { rows } = await db.query<ApplicationRow>(sql`select ${COLUMNS} from applications order by id`);
  return rows;
}

export async function listClientIds(db: Queryable, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ client_id: string }>(
    sql`select client_id from applications order by id limit ${limit}`,
  );
  return rows.map((row) => row.client_id);
}

const APPLICATIONS_LOCK = 7070_0002;

/** The new row, or undefined where the client id is taken. Call it in a transaction. */
export async function insertApplication(
  tx: Queryable,
  row: { client_id: string; name: string; client_secret: Buffer; now: string },
): Promise<ApplicationRow | undefined> {
  // Ids are the next free ones, so makers take turns until they commit.
  await tx.query(sql`select pg_advisory_xact_lock(${APPLICATIONS_LOCK})`);
  const { rows } = await tx.query<ApplicationRow>(sql`
    insert into applications (id, client_id, name, client_secret, created_at, updated_at)
    select coalesce(max(id), 0) + 1, ${row.client_id}, ${row.name}, ${row.client_secret}::bytea, ${row.now}::timestamptz, ${row.now}::timestamptz
    from applications
    on conflict (client_id) do nothing
    returning ${COLUMNS}`);
  return rows[0];
}

export async function insertApplicationRows(db: Queryable, applicationId: number, shards: number): Promise<void> {
  await db.query(
    sql`insert into ordinal_blocks (application_id, next_ordinal) values (${applicationId}, 0) on conflict do nothing`,
  );
  await db.query(sql`
    insert into statistics (application_id, shard, profiles)
    select ${applicationId}, s, 0 from generate_series(0, ${shards - 1}) s on conflict do nothing`);
}

export async function updateTimeZone(
  tx: Queryable,
  row: { id: number; time_zone: string; now: string },
): Promise<void> {
  await tx.query(sql`
    update applications set time_zone = ${row.time_zone}, updated_at = ${row.now} where id = ${row.id}`);
}

export async function updateSearch(tx: Queryable, id: number, fansMaySearch: boolean, now: string): Promise<void> {
  await tx.query(sql`update applications set fans_may_search = ${fansMaySearch}, updated_at = ${now} where id = ${id}`);
}

/** Those whose rules are evaluated. */
export async function listDynamicGroupIds(tx: Queryable, applicationId: number): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(sql`
    select id from groups
    where application_id = ${applicationId} and membership_type = 'dynamic' and is_active and not is_paused`);
  return rows.map((row) => row.id);
}

export async function updateSecret(
  db: Queryable,
  row: { id: number; client_secret: Buffer; previous_until: string; now: string },
): Promise<void> {
  await db.query(sql`
    update applications set previous_client_secret = client_secret, previous_client_secret_until = ${row.previous_until},
      client_secret = ${row.client_secret}, updated_at = ${row.now}
    where id = ${row.id}`);
}

export async function findLimits(db: Queryable, applicationId: number): Promise<ApplicationLimits> {
  const { rows } = await db.query<{ limits: ApplicationLimits }>(
    sql`select limits from applications where id = ${applicationId}`,
  );
  return rows[0]?.limits ?? {};
}

type ChangeableRow = Pick<ApplicationRow, 'time_zone' | 'limits' | 'fans_may_search'>;

/** What its owner changes. Changes of one application wait for each other, until the transaction ends. */
export async function lockForChange(tx: Queryable, applicationId: number): Promise<ChangeableRow | undefined> {
  const { rows } = await tx.query<ChangeableRow>(sql`
    select time_zone, limits, fans_may_search from applications where id = ${applicationId} for no key update`);
  return rows[0];
}

/** Sets these, forgets those, and leaves the others as they are. */
export async function updateLimits(
  db: Queryable,
  applicationId: number,
  set: ApplicationLimits,
  removed: string[],
  now: string,
): Promise<void> {
  await db.query(sql`
    update applications set limits = (limits || ${JSON.stringify(set)}::jsonb) - ${removed}::text[], updated_at = ${now}
    where id = ${applicationId}`);
}

export interface AdminTokenRow {
  id: string;
  name: string;
  hint: string;
  read_only: boolean;
  created_at: Instant;
  expires_at: Instant | null;
  last_used_at: Instant | null;
  created_by: string | null;
}

const TOKEN_COLUMNS = sql`id, name, hint, read_only, created_at, expires_at, last_used_at, created_by`;

/** Neither revoked itself nor by the end of a token that made it. Looked up rather than written: none can slip through. */
const LIVE = sql`t.revoked_at is null
  and not exists (select from admin_tokens m where m.id = any (t.made_by) and m.revoked_at is not null)`;

interface FoundToken {
  id: string;
  name: string;
  read_only: boolean;
  expires_at: Instant | null;
  made_by: string[];
  client_id: string;
  stale: boolean;
}

export async function findAdminToken(db: Queryable, hash: Buffer, now: string): Promise<FoundToken | undefined> {
  const { rows } = await db.query<FoundToken>(sql`
    select t.id, t.name, t.read_only, t.expires_at, t.made_by, a.client_id,
      t.last_used_at is null or t.last_used_at < ${now}::timestamptz - interval '1 hour' as stale
    from admin_tokens t join applications a on a.id = t.application_id
    where t.token_hash = ${hash} and ${LIVE} and (t.expires_at is null or t.expires_at > ${now})`);
  return rows[0];
}

/** When a token that is dead died, for the error of its holder. */
export async function findDeadAdminToken(
  db: Queryable,
  hash: Buffer,
): Promise<{ revoked_at: Instant | null; maker_revoked_at: Instant | null; expires_at: Instant | null } | undefined> {
  const { rows } = await db.query<{
    revoked_at: Instant | null;
    maker_revoked_at: Instant | null;
    expires_at: Instant | null;
  }>(sql`
    select t.revoked_at, t.expires_at,
      (select min(m.revoked_at) from admin_tokens m where m.id = any (t.made_by)) as maker_revoked_at
    from admin_tokens t where t.token_hash = ${hash}`);
  return rows[0];
}

/** Which of these are good at this instant. */
export async function listLiveTokens(db: Queryable, ids: string[], now: string): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await db.query<{ id: string }>(sql`
    select t.id from admin_tokens t
    where t.id = any (${ids}::uuid[]) and ${LIVE} and (t.expires_at is null or t.expires_at > ${now})`);
  return new Set(rows.map((row) => row.id));
}

export async function touchAdminToken(db: Queryable, id: string, now: string): Promise<void> {
  await db.query(sql`update admin_tokens set last_used_at = ${now} where id = ${id}`);
}

/** Whether the token was new. */
export async function insertAdminToken(
  db: Queryable,
  row: {
    id: string;
    application_id: number;
    name: string;
    token_hash: Buffer;
    hint: string;
    read_only: boolean;
    now: string;
    expires_at: string | null;
    made_by: string[];
    created_by: string | null;
  },
): Promise<boolean> {
  const { count } = await db.query(sql`
    insert into admin_tokens (id, application_id, name, token_hash, hint, read_only, created_at, expires_at, made_by, created_by)
    values (${row.id}, ${row.application_id}, ${row.name}, ${row.token_hash}, ${row.hint}, ${row.read_only}, ${row.now}, ${row.expires_at},
      ${row.made_by}::uuid[], ${row.created_by})
    on conflict (token_hash) do nothing`);
  return count === 1;
}

export const ADMIN_TOKEN_ORDER: Order<AdminTokenRow> = {
  name: 'access-tokens',
  columns: [
    { column: 'created_at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (token) => [formatInstant(token.created_at), token.id],
};

/** Those that are good, or only too old; rows and count of one snapshot. */
export async function pageOfAdminTokens(
  db: Database,
  applicationId: number,
  page: PageRequest,
): Promise<{ rows: AdminTokenRow[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, ADMIN_TOKEN_ORDER);
  const live = sql`t.application_id = ${applicationId} and ${LIVE}`;
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`select count(*) as count from admin_tokens t where ${live}`)
        : undefined;
      const { rows } = await tx.query<AdminTokenRow>(sql`
        select ${TOKEN_COLUMNS} from admin_tokens t where ${live}${after}${orderAndLimit}`);
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

export async function listAdminTokens(db: Queryable, applicationId: number, limit: number): Promise<AdminTokenRow[]> {
  const { rows } = await db.query<AdminTokenRow>(sql`
    select ${TOKEN_COLUMNS} from admin_tokens t where t.application_id = ${applicationId} and ${LIVE}
    order by created_at desc, id desc limit ${limit}`);
  return rows;
}

/** Whether there was such a token. */
export async function revokeAdminToken(
  db: Queryable,
  applicationId: number,
  id: string,
  now: string,
): Promise<boolean> {
  const { count } = await db.query(sql`
    update admin_tokens t set revoked_at = ${now} where t.application_id = ${applicationId} and t.id = ${id} and ${LIVE}`);
  return count === 1;
}

/** Applications by id, from one on. */
export async function listApplicationIds(db: Queryable, after: number, limit: number): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(sql`
    select id from applications where id > ${after} order by id limit ${limit}`);
  return rows.map((row) => row.id);
}
