// A database is down where it does not answer; not where this process had no turn to hear it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { watchHealth, type HealthEvents } from './health.ts';

/** Nothing else has a turn meanwhile: as where a large body is parsed, or another program has the processor. */
const holdUp = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe('a probe', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
  });
  afterAll(() => database.drop());

  const watch = (connectionString: string) => {
    const told: (keyof HealthEvents)[] = [];
    let tell = (): void => {};
    const next = new Promise<void>((resolve) => (tell = resolve));
    const note = (what: keyof HealthEvents) => (): void => {
      told.push(what);
      if (what !== 'broke') tell();
    };
    const events = { broke: note('broke'), down: note('down'), up: note('up') };
    return { health: watchHealth({ connectionString }, events), told, next };
  };

  it('of a database that is there finds it there, however long this process was held up meanwhile', async () => {
    const { health, told } = watch(database.directUrl);
    try {
      for (const ms of [1_600, 2_500]) {
        health.suspect();
        holdUp(ms);
        // The probe is over once another one may begin.
        await health.probed();
        expect(() => health.check()).not.toThrow();
      }
      expect(told).toEqual(['broke', 'broke']);
    } finally {
      health.stop();
    }
  });

  it('of one that is not there says so', async () => {
    const { health, told, next } = watch('postgres://127.0.0.1:1/x');
    try {
      health.suspect();
      await next;
      expect(told).toEqual(['broke', 'down']);
      expect(() => health.check()).toThrow('does not answer');
    } finally {
      health.stop();
    }
  });
});
