// The set side of rules against the database: one COPY in binary form per scan, streamed into a bitset or handed over
// piece by piece. The caller holds the connection in one snapshot (`inSnapshot`), so that all leaves of a rule, and of
// several, see the same instant. Leaves are read one after the other; each is read once however many rules share it.

import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { onClient } from '../database/client.ts';
import type { Database } from '../database/database.ts';
import { activitiesOf, listMoves, sourcesByTarget } from '../facts/moves.ts';
import type { Instant } from '../instant.ts';
import { buildBitset, type Bitset } from '../rules/bitset.ts';
import { hasNot, treeSet, type CompiledRule } from '../rules/evaluate.ts';
import type { SetReader } from '../rules/leaf.ts';
import { sqlInteger } from '../rules/literals.ts';
import { BINARY_EPOCH, readInt8, readIntegers, readRecords, readRows, readUuid } from '../database/copy.ts';

export interface SetReaderOptions {
  applicationId: number;
  now: Instant;
  /** Default `totals`; `activities` proves them (verify). */
  from?: 'totals' | 'activities';
}

/** Runs the work in a read-only snapshot on a connection of its own. */
export function inSnapshot<T>(db: Database, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  return db.withClient(async (client) => {
    await client.query('set local jit = off'); // compiling a scan takes longer than most scans
    return work(client);
  }, 'repeatable read');
}

/**
 * Ordinals and pairs come packed into one value per scan, at a third of the processor time of a row each. That value
 * is bounded by PostgreSQL at a gigabyte, 250 million ordinals; instants and texts, which may be of every activity
 * there is, come as rows.
 */
export async function createSetReader(client: pg.ClientBase, options: SetReaderOptions): Promise<SetReader> {
  const { applicationId, now, from = 'totals' } = options;
  const stream = (select: string): AsyncIterable<Buffer> =>
    client.query(copyTo(`copy (${select}) to stdout (format binary)`));
  const packed = (record: string, select: string): AsyncIterable<Buffer> =>
    stream(`select string_agg(${record}, null) from (${select}) s`);
  const allProfiles = (columns: string): string =>
    `select ${columns} from profiles where application_id = ${sqlInteger(applicationId)}`;
  const each = (select: string, batch: (ordinals: Int32Array) => void): Promise<void> =>
    readIntegers(packed('int4send(ordinal)', select), batch);
  const ordinals = async (select: string): Promise<Bitset> => {
    const found = buildBitset();
    await each(select, found.addAll);
    return found.set;
  };
  let universe: Promise<Bitset> | undefined;
  const moves = await listMoves(onClient(client), applicationId);

  return {
    applicationId,
    now,
    from,
    activities: activitiesOf(moves),
    sources: sourcesByTarget(moves),
    ordinals,
    each,
    universe() {
      universe ??= ordinals(allProfiles('ordinal'));
      return universe;
    },
    pairs: (select, row) =>
      readRecords(packed('int4send(ordinal) || int8send(v)', select), 12, (buffer, at) =>
        row(buffer.readInt32BE(at), readInt8(buffer, at + 4)),
      ),
    instants: (select, row) =>
      readRows(stream(select), (buffer, at, valueAt) =>
        row(buffer.readInt32BE(at), readInt8(buffer, valueAt) + BINARY_EPOCH),
      ),
    profileInstants: (select, row) =>
      readRecords(packed('int4send(ordinal) || timestamptz_send(v)', select), 12, (buffer, at) =>
        row(buffer.readInt32BE(at), readInt8(buffer, at + 4) + BINARY_EPOCH),
      ),
    texts: (select, row) =>
      readRows(stream(select), (buffer, at, valueAt, length) => {
        row(buffer.readInt32BE(at), length < 0 ? null : buffer.toString('utf8', valueAt, valueAt + length));
      }),
    profiles: (row) =>
      readRecords(packed('int4send(ordinal) || uuid_send(id)', allProfiles('ordinal, id')), 20, (buffer, at) =>
        row(buffer.readInt32BE(at), readUuid(buffer, at + 4)),
      ),
    async epochs(groups) {
      const { rows } = await client.query<{ group_id: string; epoch: number }>(
        'select group_id, epoch::float8 as epoch from group_heads where group_id = any($1::uuid[])',
        [groups],
      );
      return new Map(rows.map((row) => [row.group_id, row.epoch]));
    },
  };
}

/**
 * The members of a rule at `reader.now`. Sets of leaves are taken from and left in `cache`, by the leaves' keys; it
 * must belong to this reader's application, definitions, snapshot and instant.
 */
export async function readRuleSet(
  reader: SetReader,
  rule: CompiledRule,
  cache: Map<string, Bitset> = new Map(),
): Promise<Bitset> {
  const sets: Bitset[] = [];
  for (const leaf of rule.leaves) {
    let set = cache.get(leaf.key);
    if (!set) {
      set = await leaf.set(reader);
      cache.set(leaf.key, set);
    }
    sets.push(set);
  }
  return treeSet(rule, sets, hasNot(rule.root) ? await reader.universe() : undefined);
}
