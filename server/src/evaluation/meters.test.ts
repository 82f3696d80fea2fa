import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { bucketOfGroup } from './backfill.ts';
import { verifyNext } from './nightly.ts';
import { rulesCache } from './rules-cache.ts';

const RULE = { attribute: 'total_activities', condition: 'greater_than', value: 0 };
const DAY = 86_400;

describe('the metrics of the evaluation', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());

  const read = async (name: string): Promise<number> => {
    const text = await (await fetch(`${bench.server.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 'none');
  };

  it('say for how long the group that waits longest was not verified, also where it never was', async () => {
    const { db } = bench.server.app.context;
    const context = { db, clock: bench.clock, rules: rulesCache(db), log: pino({ level: 'silent' }) };
    const buckets = Array.from({ length: 64 }, (_, bucket) => bucket);
    bench.clock.set('2026-05-01T02:30:00.000000Z');
    const first = await bench.group(RULE);
    await bench.tick();
    expect(await verifyNext(context, buckets)).toBe(true);
    bench.clock.set('2026-05-01T12:00:00.000000Z');
    const bucket = bucketOfGroup(first);
    // In another worker's bucket, which does not come to it.
    while (bucketOfGroup(await bench.group(RULE, { name: 'Another' })) === bucket);
    await bench.tick();
    bench.clock.set('2026-05-03T02:30:00.000000Z');
    await bench.tick();
    expect(await verifyNext(context, [bucket])).toBe(true); // the first again
    bench.clock.set('2026-05-04T00:00:00.000000Z');
    expect((await read('grandstand_verify_age_seconds')) / DAY).toBeCloseTo(2.5);
  });

  it('say nothing, rather than that nothing waits, while the database cannot be asked', async () => {
    const other = await createBench();
    try {
      await other.server.app.context.db.close();
      const text = await (await fetch(`${other.server.url}/metrics`)).text();
      expect(text).toMatch(/^grandstand_queue_age_seconds NaN$/im);
      expect(text).toMatch(/^grandstand_verify_missing NaN$/im);
      expect(text).not.toMatch(/^grandstand_queue_rows\{/m);
    } finally {
      await other.close();
    }
  });
});
