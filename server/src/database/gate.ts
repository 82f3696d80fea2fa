// Lets so many in at once, in the order of their arrival, and none wait for long.

import { Unavailable } from '../errors.ts';

/** Resolves once there is room, to what gives it back; rejects with Unavailable where there is none in time. */
export type Gate = () => Promise<() => void>;

export function createGate(room: number, patienceMs: number): Gate {
  const waiting = new Set<() => void>();
  let inside = 0;
  const leave = (): void => {
    inside--;
    const [next] = waiting;
    next?.();
  };
  return () =>
    new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(timer);
        waiting.delete(enter);
        inside++;
        resolve(leave);
      };
      const timer = setTimeout(() => {
        waiting.delete(enter);
        reject(new Unavailable('database: too many transactions wait for a connection'));
      }, patienceMs);
      if (inside < room) enter();
      else waiting.add(enter);
    });
}
