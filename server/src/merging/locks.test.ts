// A merge whose source was merged a moment ago begins again with the profile that has it now, and takes its locks anew.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql, type Queryable } from '../database/database.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { untilWaiting } from '../testing/waiting.ts';

describe('the locks of a merge that begins again', () => {
  let bench: EngineBench;
  beforeAll(async () => (bench = await createBench()));
  afterAll(() => bench.close());

  const db = () => bench.server.app.context.db;
  const lockHistory = (tx: Queryable, id: string) =>
    tx.query(sql`select from totals where profile_id = ${id}::uuid and fact_id = 0 for update`);
  /** With an Idempotency-Key, as the SDK sends every POST: all attempts are in one transaction. */
  const merge = (source: string, target: string) => bench.server.sdk.profiles.merge(source, { into: target });

  it('are given back first, so that nobody who takes them in their order waits for it for ever', async () => {
    const profiles = [await bench.profile(), await bench.profile(), await bench.profile()];
    for (const profile of profiles) await bench.send(profile, 'comment-created');
    const [first = '', second = '', third = ''] = profiles.map(({ id }) => id).sort();
    let merges: Promise<unknown>[] = [];
    let inOrder: Promise<unknown> = Promise.resolve();
    await db().transaction(async (tx) => {
      // The second merge gets the histories of the first and the third profile, and stops before it sees that the first is gone.
      await tx.query(sql`select from profiles where id = ${third}::uuid for update`);
      await db().transaction(async (other) => {
        await lockHistory(other, first);
        merges = [merge(first, second)];
        await untilWaiting(db(), 1);
        merges.push(merge(first, third));
        await untilWaiting(db(), 2);
      });
      await merges[0];
      await untilWaiting(db(), 1);
      let held = (): void => {};
      const isHeld = new Promise<void>((resolve) => (held = resolve));
      inOrder = db().transaction(
        async (other) => {
          await lockHistory(other, second);
          held();
          await lockHistory(other, third);
        },
        { retries: 0 },
      );
      await isHeld;
      await untilWaiting(db(), 2);
    });
    await inOrder;
    await Promise.all(merges);
    expect(await bench.server.sdk.profiles.get(first)).toMatchObject({ id: third });
    expect(await bench.server.sdk.profiles.get(second)).toMatchObject({ id: third });
  });
});
