import { describe, expect, it } from 'vitest';
import { createLine } from './line.ts';

function createWork() {
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const work = (name: string) => () =>
    new Promise<void>((resolve, reject) => {
      begun.push(name);
      ends.set(name, (error) => (error ? reject(error) : resolve()));
    });
  /** Until all that can go on has gone on. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const end = async (name: string, error?: Error) => {
    ends.get(name)?.(error);
    await settled();
  };
  return { begun, work, end, settled };
}

describe('work in a line', () => {
  it('begins in order, so much at once', async () => {
    const { begun, work, end, settled } = createWork();
    const line = createLine(2);
    const adding = ['a', 'b', 'c', 'd'].reduce(
      (before, name) => before.then(() => line.add(new Set([name]), work(name))),
      Promise.resolve(),
    );
    await settled();
    expect(begun).toEqual(['a', 'b']);
    await end('b');
    expect(begun).toEqual(['a', 'b', 'c']);
    await end('a');
    await adding;
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    await end('c');
    await end('d');
    await line.end();
  });

  it('waits for what has an id in common with it', async () => {
    const { begun, work, end, settled } = createWork();
    const line = createLine(3);
    await line.add(new Set(['1', '2']), work('a'));
    await line.add(new Set(['3']), work('b'));
    const adding = line.add(new Set(['2', '4']), work('c'));
    await settled();
    await end('b');
    expect(begun).toEqual(['a', 'b']);
    await end('a');
    await adding;
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('lets nothing begin after what failed, and is over when all of it is', async () => {
    const { begun, work, end, settled } = createWork();
    const line = createLine(2);
    await line.add(new Set(), work('a'));
    await line.add(new Set(), work('b'));
    const adding = line.add(new Set(), work('c'));
    const refused = expect(adding).rejects.toThrow('broken');
    await end('a', new Error('broken'));
    await refused;
    let isOver = false;
    const ended = line
      .end()
      .catch((error: unknown) => error)
      .finally(() => (isOver = true));
    await settled();
    expect({ begun, isOver }).toEqual({ begun: ['a', 'b'], isOver: false });
    await end('b');
    await expect(ended).resolves.toMatchObject({ message: 'broken' });
  });

  it('tells the work how to wait for what began before it, and that it failed', async () => {
    const { work, end, settled } = createWork();
    const line = createLine(3);
    await line.add(new Set(['a']), work('a'));
    await line.add(new Set(['b']), work('b'));
    const waited: unknown[] = [];
    await line.add(new Set(['c']), async (last) => {
      await last?.().then(
        () => waited.push('over'),
        (error: unknown) => waited.push(error),
      );
    });
    await end('b');
    expect(waited).toEqual([]);
    const error = new Error('it cannot be');
    await end('a', error);
    await settled();
    expect(waited).toEqual([error]);
    await expect(line.end()).rejects.toBe(error);
    let isFirst = false;
    await createLine(3).add(new Set(['a']), (last) => Promise.resolve(void (isFirst = last === undefined)));
    expect(isFirst).toBe(true);
  });
});
