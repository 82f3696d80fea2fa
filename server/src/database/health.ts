// Notices a database that stalls or went away, so that a request is told at once instead of waiting for a time limit.
// Suspicion (nothing finished for a while, a connection broke) leads to a probe over a fresh connection; while
// probes fail the database is down, and it is up again with the first that succeeds.

import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { Unavailable } from '../errors.ts';

export interface Health {
  /** Throws Unavailable while the database is down. */
  check(): void;
  /** Around every statement. */
  began(): void;
  ended(): void;
  /** Something broke: look at once. */
  suspect(): void;
  /** Once the probe under way is over; at once where there is none. */
  probed(): Promise<void>;
  stop(): void;
}

export interface HealthEvents {
  /** Something broke. Whatever answers next may be another server, one that took over and lacks its last moments. */
  broke(): void;
  /** It has just been found down: what waits for it may be given up. */
  down(): void;
  /** It is back: connections of before are not to be trusted. */
  up(): void;
}

const WATCH_MS = 250;
/** So long nothing may finish while something waits. */
const SILENCE_MS = 1_500;
/** A database has 1.5 seconds to answer. */
const PROBE_TURNS = 6;
const PROBE_TURN_MS = 250;

export function watchHealth(settings: pg.ClientConfig, events: HealthEvents): Health {
  let pending = 0;
  let quietSince = performance.now();
  let isDown = false;
  let probing = false;
  let stopped = false;

  let last: Promise<void> = Promise.resolve();
  const probe = (): void => {
    if (probing || stopped) return;
    probing = true;
    last = answersProbe(settings)
      .catch(() => false)
      .then(found)
      .catch(() => {}); // what is told to those who wait for connections cannot fail
  };
  const found = (answers: boolean): void => {
    probing = false;
    quietSince = performance.now();
    if (stopped || answers !== isDown) return;
    isDown = !answers;
    if (isDown) events.down();
    else events.up();
  };

  const timer = setInterval(() => {
    if (isDown || (pending > 0 && performance.now() - quietSince > SILENCE_MS)) probe();
  }, WATCH_MS);
  timer.unref();

  return {
    check() {
      if (isDown) throw new Unavailable('database: it does not answer');
    },
    began() {
      if (pending++ === 0) quietSince = performance.now();
    },
    ended() {
      pending--;
      quietSince = performance.now();
    },
    suspect() {
      events.broke();
      probe();
    },
    probed: () => last,
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function answersProbe(settings: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: 0, query_timeout: 0 });
  client.on('error', () => {});
  const over = new AbortController();
  try {
    return await Promise.race([asks(client), turnsPass(over.signal)]);
  } finally {
    over.abort();
    // Not awaited: a stalled connection never says goodbye.
    client.end().catch(() => {});
    destroy(client);
  }
}

async function asks(client: pg.Client): Promise<boolean> {
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch (error) {
    // A database that refuses one more connection, or this one for its name, answers. A pooler without one (08…) does not.
    return error instanceof pg.DatabaseError && !/^(57P0|08)/.test(error.code ?? '');
  }
}

/**
 * False once a probe had its time. Counted in turns that this process had, each of them short: where it was held up (a large
 * body, a busy machine), one timer over all of it would go off before the answer that lies there is read.
 */
async function turnsPass(signal: AbortSignal): Promise<boolean> {
  for (let turn = 0; turn < PROBE_TURNS && !signal.aborted; turn++)
    await wait(PROBE_TURN_MS, undefined, { ref: false, signal }).catch(() => {});
  return false;
}

/** Gives the connection up without waiting for the other side. */
export function destroy(client: pg.ClientBase): void {
  // pg has no way to do that, but the socket is there.
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
