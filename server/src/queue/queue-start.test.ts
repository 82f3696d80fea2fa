import { describe, expect, it } from 'vitest';
import { createQueueStart } from './queue.ts';

describe('the start of the queue', () => {
  /** Reads ten times a second; each time the first row has the number that is given for it. */
  function readAll(first: (ms: number) => number | undefined, untilMs: number) {
    let now = 0;
    const start = createQueueStart(() => now);
    const afters: { ms: number; after: number }[] = [];
    for (; now <= untilMs; now += 100) {
      afters.push({ ms: now, after: start.after() });
      start.saw(first(now));
    }
    return afters;
  }

  it('passes over what was gone five seconds ago, and over nothing once a second', () => {
    const afters = readAll((ms) => 1 + ms, 8_000);
    for (const { ms, after } of afters) {
      if (ms % 1_000 === 0 || ms < 5_000) expect(after).toBe(0);
      else expect(after).toBe(ms - 5_000);
    }
  });

  it('never passes over a row that is there, however late it became visible', () => {
    // At six seconds a row appears that was numbered long before, and stays until the seventh.
    const firstAt = (ms: number) => (ms >= 6_000 && ms < 7_000 ? 5 : 1 + ms);
    const afters = readAll(firstAt, 13_000);
    const missed = afters.filter(({ ms, after }) => ms >= 6_100 && ms < 7_000 && after >= 5);
    expect(missed).toEqual([]);
    expect(afters.find(({ ms }) => ms === 12_900)?.after).toBe(7_900);
  });

  it('stays where it is while nothing comes', () => {
    const afters = readAll((ms) => (ms <= 1_000 ? 1 + ms : undefined), 9_000);
    expect(afters.find(({ ms }) => ms === 8_900)?.after).toBe(1_000);
  });
});
