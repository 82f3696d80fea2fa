import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql, type Database, type Sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';
import type { QueueRow } from './decide.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { leases } from '../database/leases.ts';
import { EVALUATION } from '../queue/queue.ts';
import { evaluateSlice } from './live.ts';
import { rulesCache } from './rules-cache.ts';
import { createWorker, type Worker } from './worker.ts';

describe('a dynamic group', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());

  const hire = (db: Database): Worker => {
    const { clock } = bench;
    return createWorker({ db, clock, log: pino({ level: 'silent' }), dynamicGroups: dynamicGroups({ db, clock }) });
  };

  it('gathers who meets its rule, takes in who comes to, and lets go at the exact instant', async () => {
    const early = await bench.profile();
    const late = await bench.profile();
    for (let i = 0; i < 3; i++) await bench.send(early, 'comment-created');
    const group = await bench.group({
      attribute: 'total_comments_posted',
      condition: 'greater_than_or_equal',
      value: 3,
      window: 'PT5S',
    });
    expect((await bench.show(group)).evaluation).toMatchObject({ state: 'filling', as_of: null, ruleset_id: null });
    await bench.tick();
    expect(await bench.members(group)).toEqual([early.id]);
    const shown = await bench.show(group);
    expect(shown.evaluation).toMatchObject({ state: 'live', ruleset_id: shown.ruleset?.id });

    bench.clock.advance(1 * MICROS_PER_SECOND);
    const sent: number[] = [];
    for (let i = 0; i < 3; i++) sent.push(await bench.send(late, 'comment-created'));
    await bench.tick();
    expect(await bench.members(group)).toEqual([early.id, late.id].sort());

    bench.clock.advance(60 * MICROS_PER_SECOND);
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);
    const changes = await bench.changes(group);
    expect(changes.map(({ sequence, change, cause }) => ({ sequence, change, cause }))).toEqual([
      { sequence: 1, change: 'entered', cause: 'rule' },
      { sequence: 2, change: 'entered', cause: 'activity' },
      { sequence: 3, change: 'left', cause: 'clock' },
      { sequence: 4, change: 'left', cause: 'clock' },
    ]);
    expect(changes[3]?.at).toBe(formatInstant((sent[0] ?? 0) + 5 * MICROS_PER_SECOND));
  });

  it('may be deleted while a profile of it is being evaluated', async () => {
    const fan = await bench.profile();
    const rule = { attribute: 'total_poll_votes', condition: 'greater_than_or_equal', value: 1 };
    const doomed = await bench.group(rule);
    const kept = await bench.group(rule);
    await bench.tick();
    await bench.send(fan, 'poll-voted');
    await bench.server.app.context.db.query(expireHeartbeats);
    // After a slice compared its rules with the database's, and before it reads anything of the group.
    const db = afterStatement(
      bench.server.app.context.db,
      /definitions_version as version.*sweeping_until as sweeping/,
      () => bench.server.call('DELETE', `applications/${CLIENT_ID}/profile-groups/${doomed}/`),
    );
    const worker = hire(db);
    await worker.tick();
    await worker.stop();
    expect(await bench.members(kept)).toEqual([fan.id]);
  });

  it('that was made by another process is followed by a worker that read the rules before', async () => {
    const fan = await bench.profile();
    const { clock } = bench;
    const { db } = bench.server.app.context;
    const own = leases(db, EVALUATION);
    const rules = rulesCache(db);
    const { id } = await bench.server.app.context.applications.get(CLIENT_ID);
    await rules.get(id);
    const group = await bench.group({
      attribute: 'total_poll_votes',
      condition: 'greater_than_or_equal',
      value: 1,
    });
    await db.query(expireHeartbeats);
    const worker = hire(db);
    await worker.tick();
    await worker.stop();
    await bench.send(fan, 'poll-voted');
    await own.rebalance();
    const { rows } = await db.query<QueueRow>(sql`
      select profile_id, seq, application_id, cause, changed, since, queued_at from queue order by seq`);
    await evaluateSlice({ db, clock, leases: own, rules }, id, rows);
    await own.release();
    expect(await bench.members(group)).toContain(fan.id);
  });

  it('is followed although definitions change each time that a worker has just read them', async () => {
    const fan = await bench.profile();
    const group = await bench.group({
      attribute: 'total_quiz_answers',
      condition: 'equals',
      value: 1,
      window: 'PT5S',
    });
    await bench.server.app.context.db.query(expireHeartbeats);
    let isSaving = false;
    let saved = 0;
    const real = bench.server.app.context.db;
    const db: Database = {
      ...real,
      async transaction(work, options) {
        const result = await real.transaction(work, options);
        if (!isSaving || options?.isolation !== 'repeatable read') return result; // only rules are read so
        await bench.server.sdk.attributes.define({ key: `fresh_${saved++}`, type: 'string', label: 'Fresh' });
        return result;
      },
    };
    const { clock } = bench;
    const worker = hire(db);
    await worker.tick();
    isSaving = true;
    await bench.server.sdk.attributes.define({ key: 'first', type: 'string', label: 'First' });
    await bench.send(fan, 'quiz-answered');
    await worker.tick();
    expect(await bench.members(group)).toEqual([fan.id]);
    clock.advance(6 * MICROS_PER_SECOND);
    await worker.tick();
    await worker.stop();
    expect(await bench.members(group)).toEqual([]);
    expect(saved).toBeGreaterThan(2);
  });
});

/** Whoever held leases is taken for dead. */
const expireHeartbeats = sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`;

/** A database on which something happens once, right after the first statement of a kind. */
function afterStatement(real: Database, kind: RegExp, action: () => Promise<unknown>): Database {
  let isDone = false;
  return {
    ...real,
    transaction: (work, options) =>
      real.transaction(
        (tx) =>
          work({
            ...tx,
            async query<Row>(statement: Sql) {
              const result = await tx.query<Row>(statement);
              if (isDone || !kind.test(statement.text)) return result;
              isDone = true;
              await action();
              return result;
            },
          }),
        options,
      ),
  };
}
