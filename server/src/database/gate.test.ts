import { describe, expect, it } from 'vitest';
import { Unavailable } from '../errors.ts';
import { chooseSeed, createRandom, propertyRuns } from '../testing/random.ts';
import { createGate, createNeighbours, type GateOptions } from './gate.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function gateWith(options: GateOptions) {
  const gate = createGate(options);
  const inside: { key: string; size: number; leave(): void }[] = [];
  const come = (key: string, size = 1): void =>
    void gate.enter(key, { size }).then((leave) => void inside.push({ key, size, leave }));
  const leave = async (key: string): Promise<void> => {
    const [gone] = inside.splice(
      inside.findIndex((each) => each.key === key),
      1,
    );
    gone?.leave();
    await settled();
  };
  return { gate, come, leave, inside, keys: () => inside.map(({ key }) => key).join('') };
}

describe('a gate', () => {
  it('gives all of its room to one who is alone, in the order of arrival', async () => {
    const { come, keys, inside } = gateWith({ room: 4 });
    for (let i = 0; i < 6; i++) come('a');
    await settled();
    expect(keys()).toBe('aaaa');
    inside[0]?.leave();
    inside[0]?.leave(); // twice is once
    await settled();
    expect(keys()).toBe('aaaaa'); // of whom the first has left
  });

  it('lets another in as soon as one leaves, however many wait before it, and then no more than a share each', async () => {
    const { come, leave, keys } = gateWith({ room: 4 });
    for (let i = 0; i < 40; i++) come('a');
    await settled();
    for (let i = 0; i < 3; i++) come('b');
    await leave('a');
    expect(keys()).toBe('aaab');
    await leave('a');
    expect(keys()).toBe('aabb');
    // The third of b does not take the share of a.
    await leave('a');
    expect(keys()).toBe('abba');
    await leave('b');
    expect(keys()).toBe('abab');
  });

  it('keeps a place for others while they are near', async () => {
    let now = 0;
    const { come, leave, keys } = gateWith({ room: 4, share: 3, neighbours: createNeighbours(() => now) });
    come('b');
    await settled();
    await leave('b');
    for (let i = 0; i < 5; i++) come('a');
    await settled();
    expect(keys()).toBe('aaa');
    now = 2_000;
    await leave('a'); // no other was there for long
    expect(keys()).toBe('aaaa');
  });

  it('looks at the sizes of a key alone, and lets one of any size in where its key has nothing inside', async () => {
    const { come, leave, keys } = gateWith({ room: 4, size: () => 10 });
    come('a', 100);
    come('a', 1);
    come('b', 6);
    come('b', 6);
    come('b', 4);
    await settled();
    expect(keys()).toBe('ab');
    await leave('a');
    expect(keys()).toBe('ba');
    await leave('b');
    expect(keys()).toBe('abb');
  });

  it('sends away who waited too long, and forgets who went away', async () => {
    const gate = createGate({ room: 1, patienceMs: 20 });
    const leave = await gate.enter('a');
    const gone = new AbortController();
    let entered = false;
    void gate.enter('b', { signal: gone.signal }).then(() => (entered = true));
    gone.abort();
    await expect(gate.enter('c')).rejects.toBeInstanceOf(Unavailable);
    expect(gate.waiting('b') + gate.waiting('c')).toBe(0);
    leave();
    (await gate.enter('d'))();
    expect(entered).toBe(false);
  });

  it('under any coming and going lets in no more than its room, no more than a share beside others, and all in the end', async () => {
    const seed = chooseSeed();
    console.log(`seed ${seed}`);
    for (let run = 0; run < propertyRuns(30); run++) {
      const random = createRandom(seed + run);
      const neighbours = createNeighbours(() => 0);
      neighbours.saw('x');
      neighbours.saw('y');
      const [room, share] = [1 + random.below(6), 1 + random.below(4)];
      const { gate, come, leave, inside } = gateWith({ room, share, neighbours });
      const waits = new Map<string, number>();
      for (let step = 0; step < 200; step++) {
        if (random.chance(0.6)) come(random.chance(0.7) ? 'a' : random.pick(['b', 'c']), 1);
        else if (inside.length > 0) await leave(random.pick(inside).key);
        await settled();
        expect(inside.length).toBeLessThanOrEqual(room);
        for (const key of ['a', 'b', 'c']) {
          const own = inside.filter((each) => each.key === key).length;
          expect(own).toBeLessThanOrEqual(share);
          // There is room and a share left: none waits.
          if (inside.length < room && own < share) expect(gate.waiting(key)).toBe(0);
          waits.set(key, gate.waiting(key) > 0 && own === 0 ? (waits.get(key) ?? 0) + 1 : 0);
        }
      }
      while (inside.length > 0) await leave(inside[0]?.key ?? '');
      expect(gate.waiting('a') + gate.waiting('b') + gate.waiting('c')).toBe(0);
    }
  });
});
