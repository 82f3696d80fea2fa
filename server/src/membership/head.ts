// Group heads: one row a group with its count, its epoch and the number of its newest change. A transaction that changes membership
// locks heads last, in the order of their ids, and numbers the changes under that lock: a poller never misses one.

import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';

export interface Head {
  group_id: string;
  application_id: number;
  profile_count: number;
  epoch: number;
  last_number: number;
  base_sequence: number;
  /** Of the newest change: the next one is not before it. */
  last_at: Instant | null;
  served_ruleset_id: string | null;
  /** The next epoch is being prepared: what changes is also noted in backfill_touched. */
  filling: boolean;
}

/** A switch came between: the transaction must start again. Carries the code of a serialisation failure, so it does. */
export class EpochMoved extends Error {
  readonly code = '40001';
}

const COLUMNS = sql`group_id, application_id, profile_count, epoch, last_number, base_sequence, last_at, served_ruleset_id, filling`;

export async function findHead(db: Queryable, groupId: string): Promise<Head | undefined> {
  const { rows } = await db.query<Head>(sql`select ${COLUMNS} from group_heads where group_id = ${groupId}`);
  return rows[0];
}

export async function findHeads(db: Queryable, groupIds: string[]): Promise<Map<string, Head>> {
  const { rows } = await db.query<Head>(
    sql`select ${COLUMNS} from group_heads where group_id = any (${groupIds}::uuid[])`,
  );
  return new Map(rows.map((head) => [head.group_id, head]));
}

export async function lockHead(tx: Queryable, groupId: string): Promise<Head | undefined> {
  const { rows } = await tx.query<Head>(sql`select ${COLUMNS} from group_heads where group_id = ${groupId} for update`);
  return rows[0];
}

/** In the order of their ids. On Citus each by a statement of its own, since it locks rows of one shard at a time; all go out in one round trip. */
export async function lockHeads(tx: Queryable, sortedIds: readonly string[]): Promise<Map<string, Head>> {
  if (tx.isDistributed === true) {
    const found = await Promise.all(sortedIds.map((id) => lockHead(tx, id)));
    return new Map(found.flatMap((head) => (head ? [[head.group_id, head]] : [])));
  }
  const { rows } = await tx.query<Head>(
    sql`select ${COLUMNS} from group_heads where group_id = any (${sortedIds}::uuid[]) order by group_id for update`,
  );
  return new Map(rows.map((head) => [head.group_id, head]));
}

/** The head and first epoch of a new group. */
export async function insertHead(tx: Queryable, groupId: string, applicationId: number, now: string): Promise<void> {
  await tx.query(sql`
    insert into group_heads (group_id, application_id, profile_count, epoch, last_number, base_sequence)
    values (${groupId}, ${applicationId}, 0, 0, 0, 0)`);
  await tx.query(sql`
    insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause) values (${groupId}, 0, 0, ${now}, 'rule')`);
}
