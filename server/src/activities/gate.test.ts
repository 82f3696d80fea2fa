import { describe, expect, it } from 'vitest';
import { createNeighbours } from '../database/gate.ts';
import { createGate, type Waiting } from './gate.ts';

const NOW = 1_700_000_000_000_000;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A gate, and who is inside in the order of entering. */
function gateOver(oldest: () => Waiting | undefined, elapsed = () => performance.now()) {
  const rests: number[] = [];
  const gate = createGate({
    findOldest: () => Promise.resolve(oldest()),
    now: () => NOW,
    elapsed,
    onRest: (seconds) => void rests.push(seconds),
  });
  const inside: { name: string; leave(): void }[] = [];
  const come = (name: string, size: number): void =>
    void gate.enter('app', size).then((leave) => void inside.push({ name, leave }));
  return { gate, come, rests, inside, names: () => inside.map(({ name }) => name) };
}

describe('the gate of intake', () => {
  it('lets four batches in at once, and the others in their order', async () => {
    const { come, inside, names } = gateOver(() => undefined);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) come(name, 500);
    await settled();
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
    inside[2]?.leave();
    await settled();
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('lets a batch of any size in when nobody is inside', async () => {
    const { come, names } = gateOver(() => undefined);
    come('huge', 10_000);
    await settled();
    expect(names()).toEqual(['huge']);
  });

  it('lets the batch of another application in beside those of one that rests, and no more of that one meanwhile', async () => {
    const { gate, inside, come, names } = gateOver(() => ({ seq: 1, queuedAt: NOW - 60_000_000 }));
    (await gate.enter('other', 1))();
    await settled();
    for (const name of ['a', 'b', 'c']) come(name, 500);
    await settled();
    expect(names()).toEqual(['a']);
    inside[0]?.leave(); // and rests
    const leave = await gate.enter('other', 500);
    expect(names()).toEqual(['a']);
    leave();
  });

  it('lets one batch in at a time while evaluation is behind, and small ones beside each other', async () => {
    const { gate, come, names } = gateOver(() => ({ seq: 1, queuedAt: NOW - 300_000 }));
    (await gate.enter('app', 1))(); // asks how far evaluation is
    await settled();
    for (const name of ['a', 'b']) come(name, 500);
    await settled();
    expect(names()).toEqual(['a']);
    const small = gateOver(() => ({ seq: 1, queuedAt: NOW - 300_000 }));
    (await small.gate.enter('app', 1))();
    await settled();
    for (const name of ['a', 'b', 'c', 'd', 'e']) small.come(name, 1);
    await settled();
    expect(small.names()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('leaves room empty for longer the further behind evaluation is, but never for long', async () => {
    const restAfter = async (behindMs: number, size: number): Promise<number> => {
      const { gate, come, inside, rests } = gateOver(() => ({ seq: 1, queuedAt: NOW - behindMs * 1000 }));
      (await gate.enter('app', 0))();
      await settled();
      come('a', size);
      await settled();
      inside[0]?.leave();
      return rests[0] ?? 0;
    };
    expect(await restAfter(350, 500)).toBe(0);
    expect(await restAfter(600, 500)).toBeCloseTo(0.1);
    expect(await restAfter(800, 500)).toBeCloseTo(0.2);
    expect(await restAfter(60_000, 500)).toBeCloseTo(0.4);
    expect(await restAfter(60_000, 1)).toBe(0);
  });

  it('stores less beside another application that asks for anything, and then leaves room empty for as long as that took', async () => {
    const neighbours = createNeighbours();
    let elapsed = 0;
    const gate = createGate({
      findOldest: () => Promise.resolve(undefined),
      now: () => NOW,
      elapsed: () => elapsed,
      neighbours,
    });
    const inside: { name: string; leave(): void }[] = [];
    const come = async (name: string, size: number): Promise<void> => {
      void gate.enter('app', size).then((leave) => void inside.push({ name, leave }));
      await settled();
    };
    const names = (): string[] => inside.map(({ name }) => name);
    for (const name of ['a', 'b']) await come(name, 500);
    expect(names()).toEqual(['a', 'b']);
    neighbours.saw('other');
    for (const name of ['small', 'c', 'd']) await come(name, name === 'small' ? 1 : 500);
    for (const { leave } of inside.splice(0)) leave();
    await settled();
    expect(names()).toEqual(['small']);
    inside.pop()?.leave();
    await settled();
    expect(names()).toEqual(['c']);
    elapsed = 40;
    const startedAt = performance.now();
    inside.pop()?.leave();
    await settled();
    expect(names()).toEqual([]);
    (await gate.enter('other', 500))();
    await expect.poll(names).toEqual(['d']);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(39);
  });

  it('goes on as ever while nothing is evaluated at all', async () => {
    for (const [next, inside] of [
      [1, ['a', 'b', 'c', 'd']],
      [2, ['a']],
    ] as const) {
      let elapsed = 0;
      let seq = 1;
      const { gate, come, names } = gateOver(
        () => ({ seq, queuedAt: NOW - 60_000_000 }),
        () => elapsed,
      );
      (await gate.enter('app', 0))();
      await settled();
      elapsed = 3_500;
      seq = next;
      (await gate.enter('app', 0))();
      await settled();
      for (const name of ['a', 'b', 'c', 'd']) come(name, 500);
      await settled();
      expect(names()).toEqual(inside);
    }
  });

  it('goes on as ever when the database cannot be asked', async () => {
    const gate = createGate({ findOldest: () => Promise.reject(new Error('away')), now: () => NOW });
    (await gate.enter('app', 1))();
    await settled();
    const entered = await Promise.all([500, 500, 500, 500].map((size) => gate.enter('app', size)));
    expect(entered).toHaveLength(4);
  });
});
