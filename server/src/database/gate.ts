// Lets so many in at once, and shares that between the keys (applications) that want in: one that is alone may take all of
// it; beside others each has a share at most, and those that wait enter in turns, the one with least inside first. So one that
// sends without end makes another wait for little more than one of its own.

import { Unavailable } from '../errors.ts';

export interface Gate {
  /** Resolves once there is room, to what gives it back; rejects with Unavailable where there is none in time. */
  enter(key: string, options?: EnterOptions): Promise<() => void>;
  /** How many of a key wait. */
  waiting(key: string): number;
}

export interface EnterOptions {
  /** Of what it does, where the gate looks at sizes. */
  size?: number;
  /** Aborted where the caller has gone: its promise is never settled then. */
  signal?: AbortSignal;
}

export interface GateOptions {
  /** How many at once. */
  room: number;
  /** How many of one key that is alone. Default: all. */
  alone?: number;
  /** How many of one key while another one is near. Default: half of the room, rounded up. */
  share?: number;
  /** The sizes of what this key may have inside, together; one of any size may enter where its key has nothing inside. */
  size?: (key: string) => number;
  /** Default: without end. */
  patienceMs?: number;
  /** Which other keys are near. Default: those of this gate. */
  neighbours?: Neighbours;
}

interface Waiter {
  key: string;
  size: number;
  enter(): void;
}

interface Inside {
  size: number;
  count: number;
}

export function createGate(options: GateOptions): Gate {
  const { room, alone = room, patienceMs, neighbours = createNeighbours() } = options;
  const share = options.share ?? Math.ceil(room / 2);
  /** By key, those whose turn is next first. */
  const waiting = new Map<string, Set<Waiter>>();
  const inside = new Map<string, Inside>();
  let total = 0;

  const fits = (key: string, size: number): boolean => {
    const own = inside.get(key);
    if (!own) return true;
    if (options.size && own.size + size > options.size(key)) return false;
    return own.count < (neighbours.isAlone(key) ? alone : share);
  };
  const admit = (): void => {
    while (total < room && waiting.size > 0) {
      const firsts = [...waiting.values()].flatMap(([first]) => first ?? []);
      const held = ({ key }: Waiter): number => inside.get(key)?.count ?? 0;
      const next = firsts.sort((a, b) => held(a) - held(b)).find(({ key, size }) => fits(key, size)); // a stable sort: else in turn
      if (!next) return;
      next.enter();
    }
  };
  const remove = (waiter: Waiter): void => {
    const all = waiting.get(waiter.key);
    if (!all?.delete(waiter)) return;
    waiting.delete(waiter.key);
    if (all.size > 0) waiting.set(waiter.key, all); // behind the others
  };
  const count = (key: string, size: number, by: 1 | -1): void => {
    const own = inside.get(key) ?? { size: 0, count: 0 };
    own.size += by * size;
    own.count += by;
    total += by;
    if (own.count > 0) inside.set(key, own);
    else inside.delete(key);
    neighbours.saw(key);
  };

  return {
    waiting: (key) => waiting.get(key)?.size ?? 0,
    enter: (key, { size = 1, signal } = {}) =>
      new Promise((resolve, reject) => {
        neighbours.saw(key);
        let timer: NodeJS.Timeout | undefined;
        const giveUp = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', giveUp);
          remove(waiter);
          admit(); // a smaller one may stand behind it
        };
        const waiter: Waiter = {
          key,
          size,
          enter() {
            clearTimeout(timer);
            signal?.removeEventListener('abort', giveUp);
            remove(waiter);
            count(key, size, 1);
            let isInside = true;
            resolve(() => {
              if (!isInside) return;
              isInside = false;
              count(key, size, -1);
              admit();
            });
          },
        };
        const queue = waiting.get(key);
        if (queue) queue.add(waiter);
        else waiting.set(key, new Set([waiter]));
        signal?.addEventListener('abort', giveUp);
        if (patienceMs !== undefined)
          timer = setTimeout(() => {
            giveUp();
            reject(new Unavailable('too much waits for the database'));
          }, patienceMs);
        admit();
      }),
  };
}

export interface Neighbours {
  saw(key: string): void;
  /** Whether no other key was seen within the last second. */
  isAlone(key: string): boolean;
}

const NEIGHBOUR_MS = 1_000;

/** Who was there lately: two keys are enough to know of each whether there is another one. */
export function createNeighbours(elapsed: () => number = () => performance.now()): Neighbours {
  let newest = { key: '', at: -Infinity };
  let other = { key: '', at: -Infinity };
  return {
    saw(key) {
      const at = elapsed();
      if (key === newest.key) newest.at = at;
      else {
        other = newest;
        newest = { key, at };
      }
    },
    isAlone(key) {
      const { at } = key === newest.key ? other : newest;
      return elapsed() - at > NEIGHBOUR_MS;
    },
  };
}
