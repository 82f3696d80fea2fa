// EVALUATION_INTERVAL: memberships follow in batches, each of which holds what was queued when it began.

import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { createWorker, type Worker, type WorkerOptions } from './worker.ts';

const INTERVAL = 900 * MICROS_PER_SECOND;
const TALKS = { attribute: 'total_comments_posted', condition: 'greater_than', value: 0 };

describe('with a batch interval', () => {
  let bench: EngineBench;
  let worker: Worker;
  beforeAll(async () => {
    bench = await createBench({ env: { EVALUATION_INTERVAL: 'PT15M' } });
  });
  beforeEach(async () => {
    await worker?.stop();
    worker = hire();
  });
  afterAll(async () => {
    await worker.stop();
    await bench.close();
  });

  function hire(db: Database = bench.server.app.context.db, options: WorkerOptions = {}): Worker {
    const { clock } = bench;
    const { evaluationInterval } = bench.server.app.context.config;
    return createWorker(
      { db, clock, log: pino({ level: 'silent' }), dynamicGroups: dynamicGroups({ db, clock }) },
      { evaluationInterval, ...options },
    );
  }

  it('a group follows activities and the clock once in each interval, and says up to when it is right', async () => {
    const group = await bench.group({ ...TALKS, window: 'PT1M' });
    await worker.tick();
    const [first, second] = [await bench.profile(), await bench.profile()];
    const sent = await bench.send(first, 'comment-created');
    await worker.tick();
    expect(await bench.members(group)).toEqual([]);
    const asOf = (await bench.show(group)).evaluation?.as_of ?? undefined;
    expect(asOf !== undefined && asOf < formatInstant(sent)).toBe(true);

    bench.clock.advance(INTERVAL - 30 * MICROS_PER_SECOND);
    const late = await bench.send(second, 'comment-created');
    await worker.tick();
    expect(await bench.changes(group)).toEqual([]);

    bench.clock.advance(30 * MICROS_PER_SECOND);
    await worker.tick();
    expect(await bench.members(group)).toEqual([second.id]);
    expect(((await bench.show(group)).evaluation?.as_of ?? '') > formatInstant(late)).toBe(true);

    bench.clock.advance(INTERVAL - MICROS_PER_SECOND);
    await worker.tick();
    expect(await bench.members(group)).toEqual([second.id]); // its minute is over, but not the interval
    bench.clock.advance(MICROS_PER_SECOND);
    await worker.tick();
    expect((await bench.changes(group)).at(-1)).toMatchObject({
      change: 'left',
      cause: 'clock',
      at: formatInstant(late + 60 * MICROS_PER_SECOND),
    });
  });

  it('a new rule is filled at once', async () => {
    await worker.tick();
    const profile = await bench.profile();
    await bench.send(profile, 'comment-created');
    const group = await bench.group(TALKS);
    await worker.tick();
    expect((await bench.show(group)).evaluation?.state).toBe('live');
    expect(await bench.members(group)).toContain(profile.id);
  });

  it('what arrives while a batch runs waits for the next one', async () => {
    const group = await bench.group(TALKS);
    await worker.tick();
    const [early, late] = [await bench.profile(), await bench.profile()];
    await bench.send(early, 'comment-created');
    bench.clock.advance(INTERVAL);
    const { db } = bench.server.app.context;
    let isSent = false;
    const meanwhile: Database = {
      ...db,
      async query(statement) {
        if (!isSent && statement.text.includes('from sweeps s join')) {
          isSent = true;
          await bench.send(late, 'comment-created');
        }
        return db.query(statement);
      },
    };
    await worker.stop();
    worker = hire(meanwhile);
    await worker.tick();
    const members = await bench.members(group);
    expect([isSent, members.includes(early.id), members.includes(late.id)]).toEqual([true, true, false]);
    bench.clock.advance(INTERVAL);
    await worker.tick();
    expect(await bench.members(group)).toContain(late.id);
  });

  it('a batch that breaks is tried again at once, not an interval later', async () => {
    const group = await bench.group(TALKS);
    await worker.tick();
    const profile = await bench.profile();
    await bench.send(profile, 'comment-created');
    bench.clock.advance(INTERVAL);
    const { db } = bench.server.app.context;
    let isBroken = true;
    await worker.stop();
    worker = hire({
      ...db,
      query: (statement) =>
        isBroken && statement.text.includes('from queue') ? Promise.reject(new Error('broken')) : db.query(statement),
    });
    await expect(worker.tick()).rejects.toThrow('broken');
    isBroken = false;
    await worker.tick();
    expect(await bench.members(group)).toContain(profile.id);
  });
});
