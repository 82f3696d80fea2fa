import { expect, it } from 'vitest';
import { createLoop } from './looping.ts';

const HOUR_MS = 3_600_000;

it('steps again at once where a step says so, rests else, and ends its rest when it is woken', async () => {
  const answers = [true, true, false];
  let steps = 0;
  let rested: () => void = () => {};
  const onError = (error: unknown): void => expect.unreachable(String(error));
  const loop = createLoop(
    async () => {
      if (++steps === 3 || steps === 4) rested();
      return answers[steps - 1];
    },
    { restMs: HOUR_MS, onError },
  );
  const third = new Promise<void>((resolve) => (rested = resolve));
  loop.start();
  loop.start(); // twice is once
  await third;
  const fourth = new Promise<void>((resolve) => (rested = resolve));
  loop.wake();
  await fourth;
  expect(steps).toBe(4);
  await loop.stop();
});

it('a wake during a step leaves the next rest out; what fails is told and tried again; a stop waits for the step and tells no more', async () => {
  const told: unknown[] = [];
  let steps = 0;
  let begin: () => void = () => {};
  const third = new Promise<void>((resolve) => (begin = resolve));
  const fails = [new Error('first'), new Error('second'), new Error('third')];
  const loop = createLoop(
    async () => {
      const failure = fails[steps++];
      if (steps < 3) loop.wake();
      else {
        begin();
        while (!loop.isStopping()) await new Promise((resolve) => setImmediate(resolve));
      }
      throw failure;
    },
    { restMs: HOUR_MS, onError: (error) => void told.push(error) },
  );
  loop.start();
  await third;
  await loop.stop();
  expect(steps).toBe(3);
  expect(told).toEqual(fails.slice(0, 2));
});

it('rests first where it is told to, and a stop before does nothing', async () => {
  let steps = 0;
  const loop = createLoop(async () => ++steps, { restMs: HOUR_MS, firstMs: HOUR_MS, onError: () => {} });
  loop.start();
  await loop.stop();
  expect(steps).toBe(0);
});
