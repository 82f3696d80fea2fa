// How much intake stores at once, so that evaluation can follow. What is acknowledged is to be true of every group within a
// second; intake that takes all of the processor would keep acknowledging more than is evaluated. So while the oldest row of
// the queue has waited for long, less is stored at a time, and a request that stored something leaves its room empty for a while:
// batches wait, their senders with them, and nothing is refused. Where evaluation does not move at all, waiting for it would
// help no one, and intake goes on as ever.
//
// Beside another application that asks for anything, less is stored at a time too, and room stays empty for as long as a
// large batch took: one that sends without end leaves the other one half of the processor, and one that is alone nobody.

import { createGate as createFairGate, createNeighbours, type Neighbours } from '../database/gate.ts';
import type { Instant } from '../instant.ts';

export interface Waiting {
  seq: number;
  queuedAt: Instant;
}

export interface Gate {
  /**
   * Resolves when a batch of so many activities of an application may be stored; to be told when it is done. What comes
   * by another way than its requests has turns of its own, beside those.
   */
  enter(application: string, size: number, way?: string): Promise<() => void>;
}

export interface GateOptions {
  /** The oldest row that waits for evaluation, as asked of the database. */
  findOldest(): Promise<Waiting | undefined>;
  now(): Instant;
  /** Milliseconds of a monotonic clock. */
  elapsed?(): number;
  /** Who asks for anything. Default: who enters here. */
  neighbours?: Neighbours;
  /** Told how long room was left empty for evaluation. */
  onRest?: (seconds: number) => void;
}

/** More at once only wait for each other's locks and take the processor from those that serve. */
const AT_ONCE = 4;
/** And for an application whose batches find all of that taken by another one's. */
const SPARE = 1;
/** Activities of an application that are being stored at once; an empty gate lets a batch of any size in. */
const ROOM = 2_000;
const ROOM_WHILE_BEHIND = 500;
const ROOM_BESIDE_OTHERS = 500;
const ASK_EVERY_MS = 100;
const BEHIND_MS = 250;
/** From here on room is left empty: for each activity so long, times how far beyond it evaluation is, in its own steps. */
const FAR_BEHIND_MS = 400;
const REST_MS = 0.1;
const REST_STEP_MS = 100;
const MOST_STEPS = 8;
/** Evaluation that took nothing for so long does not run. */
const STALLED_MS = 3_000;

export function createGate(options: GateOptions): Gate {
  const { neighbours = createNeighbours(), elapsed = () => performance.now() } = options;
  const pace = createPace(options);
  const gate = createFairGate({
    room: AT_ONCE + SPARE,
    alone: AT_ONCE,
    share: AT_ONCE / 2,
    size: (key) =>
      pace.behindMs() >= BEHIND_MS ? ROOM_WHILE_BEHIND : neighbours.isAlone(appOf(key)) ? ROOM : ROOM_BESIDE_OTHERS,
  });
  const leave = (application: string, size: number, tookMs: number, free: () => void): void => {
    pace.ask();
    const behindMs = size * REST_MS * Math.min(MOST_STEPS, (pace.behindMs() - FAR_BEHIND_MS) / REST_STEP_MS);
    const besideMs = neighbours.isAlone(application) ? 0 : tookMs * Math.min(1, size / ROOM_BESIDE_OTHERS);
    const restMs = Math.max(behindMs, besideMs);
    if (restMs < 1) return free();
    if (behindMs >= 1) options.onRest?.(behindMs / 1000);
    setTimeout(free, restMs);
  };

  return {
    async enter(application, size, way = '') {
      pace.ask();
      neighbours.saw(application);
      const free = await gate.enter(`${way} ${application}`, { size });
      const enteredAt = elapsed();
      return () => leave(application, size, elapsed() - enteredAt, free);
    },
  };
}

const appOf = (key: string): string => key.slice(key.indexOf(' ') + 1);

/** How far evaluation is behind, as known from an answer that is little older than `ASK_EVERY_MS` while requests ask. */
function createPace({ findOldest, now, elapsed = () => performance.now() }: GateOptions): {
  ask(): void;
  behindMs(): number;
} {
  let askedAt = -Infinity;
  let asking = false;
  let behindMs = 0;
  let oldest: { seq: number; since: number } | undefined;
  const answer = (found: Waiting | undefined): void => {
    if (found?.seq !== oldest?.seq) oldest = found && { seq: found.seq, since: elapsed() };
    const isStalled = oldest !== undefined && elapsed() - oldest.since > STALLED_MS;
    behindMs = found && !isStalled ? (now() - found.queuedAt) / 1000 : 0;
  };
  return {
    behindMs: () => behindMs,
    ask() {
      if (asking || elapsed() - askedAt < ASK_EVERY_MS) return;
      asking = true;
      void findOldest()
        .then(answer, () => answer(undefined))
        .finally(() => {
          askedAt = elapsed();
          asking = false;
        });
    },
  };
}
