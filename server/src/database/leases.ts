// Workers share a kind of work by buckets: evaluation by buckets of profiles, sending by buckets of webhooks. A worker has
// a heartbeat, a row that it renews every second, and a fence, a row that every one of its transactions holds while it
// writes. A worker that finds a heartbeat that stopped removes the fence first, which waits for the transaction that holds
// it and lets no further one begin; only then are its buckets free. So a worker that stalls is replaced within seconds,
// and what it wakes up to write is refused.
//
// Times are the database's own: a lease has nothing to do with the time that rules are evaluated at.

import { newId } from '../ids.ts';
import { sql, type Database, type Queryable } from './database.ts';

/** This worker was taken for dead: whatever it was doing is undone, and it begins anew under another name. */
export class LeaseLost extends Error {}

export interface Leases {
  /** Renews the heartbeat. Cheap; called on a timer, also while a slice is evaluated. */
  beat(): Promise<void>;
  /**
   * Removes workers whose heartbeats stopped, and takes or gives up buckets until every worker has its share. Called
   * between slices only, or with the buckets that must be kept, so that none is given up while it is worked on.
   */
  rebalance(keep?: ReadonlySet<number>): Promise<void>;
  /** What this worker may work on. */
  buckets(): readonly number[];
  /** The first statement of every transaction that writes: fails once this worker is no longer. */
  hold(tx: Queryable): Promise<void>;
  /** Leaves everything to others. */
  release(): Promise<void>;
}

/** Work that is shared: the name that its leases begin with, and into how many parts it is cut. */
export interface SharedWork {
  prefix: string;
  buckets: number;
}

export interface LeaseOptions {
  /** How long a heartbeat may stand still. */
  ttlMs?: number;
}

export const LEASE_TTL_MS = 4_000;
/** The server ends a transaction whose worker says nothing for so long; else a frozen worker would hold its fence for ever. */
const IDLE_LIMIT_MS = 3_000;

const NONE: ReadonlySet<number> = new Set();

export function leases(db: Database, work: SharedWork, { ttlMs = LEASE_TTL_MS }: LeaseOptions = {}): Leases {
  const { prefix } = work;
  let id: string | undefined;
  let held: number[] = [];
  let joining: Promise<string> | undefined;
  const ttl = `${ttlMs} milliseconds`;

  const enter = async (): Promise<string> => {
    const fresh = newId();
    await db.query(sql`
      insert into leases (name, holder, expires_at, fence) values
        (${`${prefix}worker:${fresh}`}, ${fresh}, null, 0), (${`${prefix}heartbeat:${fresh}`}, ${fresh}, clock_timestamp() + ${ttl}::interval, 0)`);
    id = fresh;
    held = [];
    return fresh;
  };

  /** Once, however many ask: a second name would hold a share of the buckets that no worker works on until its heartbeat stops. */
  const join = (): Promise<string> => (joining ??= enter().finally(() => (joining = undefined)));

  const lose = (): void => {
    id = undefined;
    held = [];
  };

  const beat = async (): Promise<void> => {
    const own = id ?? (await join());
    const { count } = await db.query(sql`
      update leases set expires_at = clock_timestamp() + ${ttl}::interval where name = ${`${prefix}heartbeat:${own}`}`);
    if (count === 0 && id === own) lose();
  };

  return {
    beat,
    buckets: () => held,
    async rebalance(keep = NONE) {
      await beat();
      if (id === undefined) await beat();
      await removeDead(db, work);
      const own = id;
      if (own !== undefined) held = await share(db, work, own, keep);
    },
    async hold(tx) {
      if (id === undefined) throw new LeaseLost('this worker has no lease');
      const { rows } = await tx.query(sql`
        select set_config('idle_in_transaction_session_timeout', ${String(IDLE_LIMIT_MS)}, true)
        from leases where name = ${`${prefix}worker:${id}`} for share`);
      if (rows.length > 0) return;
      lose();
      throw new LeaseLost('another worker took over');
    },
    async release() {
      const own = id;
      lose();
      if (own !== undefined) await db.transaction((tx) => removeWorker(tx, work, own));
    },
  };
}

async function removeDead(db: Database, work: SharedWork): Promise<void> {
  const { prefix } = work;
  const { rows } = await db.query<{ holder: string }>(sql`
    select holder from leases where starts_with(name, ${`${prefix}heartbeat:`}) and expires_at < clock_timestamp() limit 100`);
  for (const { holder } of rows) {
    await db.transaction(async (tx) => {
      // Asked again under the lock: it may have been slow, not dead.
      const { rows: dead } = await tx.query(sql`
        select from leases where name = ${`${prefix}heartbeat:${holder}`} and expires_at < clock_timestamp() for update`);
      if (dead.length > 0) await removeWorker(tx, work, holder);
    });
  }
}

async function removeWorker(tx: Queryable, { prefix }: SharedWork, holder: string): Promise<void> {
  const bucket = `${prefix}bucket:`;
  await tx.query(sql`delete from leases where name = ${`${prefix}worker:${holder}`}`);
  await tx.query(sql`delete from leases where name = ${`${prefix}heartbeat:${holder}`}`);
  await tx.query(
    sql`update leases set holder = null, fence = fence + 1 where starts_with(name, ${bucket}) and holder = ${holder}`,
  );
}

/** Brings the buckets of this worker to its share of them all, and returns them; none where it was removed. */
async function share(
  db: Database,
  { prefix, buckets: all }: SharedWork,
  own: string,
  keep: ReadonlySet<number>,
): Promise<number[]> {
  const bucket = `${prefix}bucket:`;
  return db.transaction(async (tx) => {
    // Whoever removes this worker waits, and then frees what it took here; once removed, it takes nothing.
    const { rows: alive } = await tx.query(sql`select from leases where name = ${`${prefix}worker:${own}`} for share`);
    if (alive.length === 0) return [];
    const { rows: state } = await tx.query<{ workers: number; buckets: number; mine: number; free: number }>(sql`
      select count(*) filter (where starts_with(name, ${`${prefix}worker:`})) as workers,
        count(*) filter (where starts_with(name, ${bucket})) as buckets,
        count(*) filter (where starts_with(name, ${bucket}) and holder = ${own}) as mine,
        count(*) filter (where starts_with(name, ${bucket}) and holder is null) as free
      from leases`);
    const { workers = 1, buckets = 0, mine = 0, free = 0 } = state[0] ?? {};
    if (buckets < all) {
      await tx.query(sql`
        insert into leases (name) select ${bucket}::text || b from generate_series(0, ${all - 1}) b on conflict do nothing`);
    }
    const target = Math.ceil(all / Math.max(1, workers));
    if (mine > target) {
      await tx.query(sql`
        update leases set holder = null where name in
          (select name from leases where starts_with(name, ${bucket}) and holder = ${own}
          and name <> all (${[...keep].map((number) => bucket + number)}::text[]) order by name limit ${mine - target} for update)`);
    } else if (mine < target && (free > 0 || buckets < all)) {
      await tx.query(sql`
        update leases set holder = ${own}, fence = fence + 1 where name in
          (select name from leases where starts_with(name, ${bucket}) and holder is null order by name limit ${target - mine} for update)
          and holder is null`);
    }
    const { rows } = await tx.query<{ name: string }>(sql`
      select name from leases where starts_with(name, ${bucket}) and holder = ${own}`);
    return rows.map((row) => Number(row.name.slice(bucket.length)));
  });
}
