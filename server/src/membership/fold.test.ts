import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database } from '../database/database.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { makeCheckpoint, type Pace } from './checkpoints.ts';
import { countMembers, feedEnd, planFold, walkMembers } from './fold.ts';
import { findHead } from './head.ts';

const START = Date.UTC(2026, 2, 1) * 1000;
const PACE: Pace = { interval: 2, share: 100, part: 1 };

describe('a fold of a feed', () => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 2, name: 'fold-test' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  /** A group whose changes have these instants, each the entry of another profile, or the leave of the one named. */
  async function createFeed(changes: (number | { leaves: number; at: number })[]): Promise<string> {
    const groupId = newId();
    const gained = changes.reduce<number>((sum, change) => sum + (typeof change === 'number' ? 1 : -1), 0);
    await db.query(sql`
      insert into group_heads (group_id, application_id, profile_count, epoch, last_number, base_sequence)
      values (${groupId}, 1, ${gained}, 0, ${changes.length}, 0)`);
    await db.query(sql`
      insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause) values (${groupId}, 0, 0, ${formatInstant(START)}, 'rule')`);
    for (const [index, change] of changes.entries()) {
      const { leaves, at } = typeof change === 'number' ? { leaves: undefined, at: change } : change;
      await db.query(sql`
        insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
        values (${groupId}, 0, ${index + 1}, ${newId()}, ${leaves ?? index + 1}, ${leaves === undefined ? 'entered' : 'left'},
          ${formatInstant(START + at)}, 'clock')`);
    }
    while (await makeCheckpoint(db, groupId, START, PACE));
    return groupId;
  }

  const fold = (groupId: string, at: Instant) =>
    db.transaction(
      async (tx) => {
        const head = await findHead(tx, groupId);
        if (!head) throw new Error('there is no such group');
        const plan = await planFold(tx, feedEnd(head), START + at);
        const members: number[] = [];
        for await (const batch of walkMembers(tx, plan)) members.push(...batch.map(({ ordinal }) => ordinal));
        expect(await countMembers(tx, plan)).toBe(members.length);
        return {
          base: plan.base?.sequence,
          read: plan.stretches.map(({ after, until }) => [after, until]),
          members: members.sort((a, b) => a - b),
        };
      },
      { isolation: 'repeatable read' },
    );

  it('begins at the newest checkpoint of which nothing is later, and leaves out what is all later', async () => {
    const groupId = await createFeed([10, 20, 90, 95, 30, 96, 99, 40, 97]); // 30 and 40 came late
    expect(await fold(groupId, 50)).toEqual({ base: 2, read: [[4, 9]], members: [1, 2, 5, 8] });
    expect(await fold(groupId, 35)).toEqual({ base: 2, read: [[4, 6], [8, 9]], members: [1, 2, 5] }); // prettier-ignore
    expect(await fold(groupId, 25)).toEqual({ base: 2, read: [[8, 9]], members: [1, 2] });
    expect(await fold(groupId, 15)).toEqual({ base: undefined, read: [[0, 2], [8, 9]], members: [1] }); // prettier-ignore
    expect(await fold(groupId, 95)).toEqual({ base: 4, read: [[4, 9]], members: [1, 2, 3, 4, 5, 8] });
    expect(await fold(groupId, 100)).toEqual({ base: 8, read: [[8, 9]], members: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
  });

  it('reads all of it where there is no checkpoint, or one was taken away', async () => {
    const groupId = await createFeed([10, 20, 90, { leaves: 1, at: 91 }, 30, 96, 99]);
    await db.query(sql`delete from change_checkpoints where group_id = ${groupId} and sequence = 4`);
    expect(await fold(groupId, 92)).toEqual({ base: 2, read: [[2, 7]], members: [2, 3, 5] });
    await db.query(sql`delete from change_checkpoints where group_id = ${groupId}`);
    expect(await fold(groupId, 92)).toEqual({ base: undefined, read: [[0, 7]], members: [2, 3, 5] });
  });

  it('keeps one checkpoint of an instant, which answers for the stretches of those that it replaced', async () => {
    const groupId = await createFeed([50, 50, 50, 40, 50, 50, { leaves: 2, at: 50 }, 50]);
    const { rows } = await db.query(sql`
      select sequence, after_sequence, members, max_at - min_at as spread from change_checkpoints where group_id = ${groupId}`);
    expect(rows).toMatchObject([{ sequence: 8, after_sequence: 0, members: 6 }]);
    expect(await fold(groupId, 45)).toEqual({ base: undefined, read: [[0, 8]], members: [4] });
    expect(await fold(groupId, 30)).toEqual({ base: undefined, read: [], members: [] });
    expect(await fold(groupId, 50)).toEqual({ base: 8, read: [], members: [1, 3, 4, 5, 6, 8] });
    const parts = await db.query(sql`select from change_checkpoint_parts where group_id = ${groupId}`);
    expect(parts.count).toBe(6); // none is left of those before
  });
});
