// Snapshots that several readers of an application use, one after the other on one connection, with what they have read
// in them. A reader gets one that shows all that was written before it asked: the one that is kept, or a new one. What is
// kept ends after some seconds, after something was written, where it stands in the way of others, or when it broke; but
// never before the last of those that use it is done.

import type pg from 'pg';
import type { Application } from '../applications/application.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { translate } from '../database/faults.ts';
import { ApiError, Unavailable, ValidationError } from '../errors.ts';
import type { Instant } from '../instant.ts';
import type { Bitset } from '../rules/bitset.ts';
import { inSnapshot } from './sets.ts';

export interface Snapshot {
  client: pg.ClientBase;
  now: Instant;
  /** Sets that were read in it, by the leaves' keys. */
  leaves: Map<string, Bitset>;
}

export interface Snapshots {
  /** Does the work in a snapshot of now or of a little before, in which no one else reads meanwhile. */
  use<T>(application: Application, work: (snapshot: Snapshot) => Promise<T>): Promise<T>;
  /** Something was written, in this application or, where that is not known, in any. */
  forget(clientId?: string): void;
  close(): Promise<void>;
}

const KEPT_MS = 10_000;
/** Idle snapshots; each holds a connection. */
const MOST_IDLE = 2;
/** Tries after what another user broke. */
const ATTEMPTS = 3;
const IDLE = Promise.resolve();

interface Shared {
  application: Application;
  opened: Promise<Opened>;
  users: number;
  /** No one else may come to use it. */
  isRetired: boolean;
  /** Its connection or its transaction is of no more use. */
  isBroken: boolean;
  /** The reading of the one who came last. */
  turn: Promise<unknown>;
  timer?: NodeJS.Timeout;
}

interface Opened extends Snapshot {
  /** Ends the snapshot and gives its connection back, or up. Never fails: nothing was written in it. */
  end(isSound: boolean): Promise<void>;
}

export function createSnapshots({ db, clock }: { db: Database; clock: Clock }): Snapshots {
  const kept = new Map<number, Shared>();
  const ending = new Set<Promise<void>>();

  const endIfUnused = (shared: Shared): void => {
    if (!shared.isRetired || shared.users > 0) return;
    const ended = shared.opened.then(
      ({ end }) => end(!shared.isBroken),
      () => {},
    );
    ending.add(ended);
    ended.finally(() => ending.delete(ended)).catch(() => {}); // it never fails
  };
  const retire = (shared: Shared): void => {
    if (shared.isRetired) return;
    shared.isRetired = true;
    clearTimeout(shared.timer);
    if (kept.get(shared.application.id) === shared) kept.delete(shared.application.id);
    endIfUnused(shared);
  };
  const giveUp = (shared: Shared): void => {
    shared.isBroken = true;
    retire(shared);
  };

  const open = (application: Application): Shared => {
    const shared: Shared = {
      application,
      opened: openSnapshot(db, clock, application.id, () => giveUp(shared)),
      users: 0,
      isRetired: false,
      isBroken: false,
      turn: IDLE,
    };
    shared.opened.catch(() => giveUp(shared));
    kept.set(application.id, shared);
    shared.timer = setTimeout(() => retire(shared), KEPT_MS).unref();
    return shared;
  };
  const take = (application: Application): Shared => {
    const shared = kept.get(application.id) ?? open(application);
    shared.users++;
    return shared;
  };
  const giveBack = (shared: Shared): void => {
    shared.users--;
    // Used last, so it goes last.
    if (kept.get(shared.application.id) === shared) {
      kept.delete(shared.application.id);
      kept.set(shared.application.id, shared);
    }
    endIfUnused(shared);
    const idle = [...kept.values()].filter((each) => each.users === 0);
    for (const each of idle.slice(0, Math.max(0, idle.length - MOST_IDLE))) retire(each);
  };

  /** Undefined where another user broke the snapshot before it was this one's turn. */
  const inTurn = async <T>(
    shared: Shared,
    work: (snapshot: Snapshot) => Promise<T>,
  ): Promise<{ result: T } | undefined> => {
    const snapshot = await shared.opened;
    const before = shared.turn;
    const turn = before
      .catch(() => {}) // told to whom it belongs
      .then(async () => {
        if (shared.isBroken) return undefined;
        try {
          return { result: await work(snapshot) };
        } catch (error) {
          if (!isRefusal(error)) giveUp(shared);
          throw error;
        }
      });
    shared.turn = turn;
    return turn;
  };

  return {
    async use(application, work) {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const shared = take(application);
        const isOwn = shared.users === 1 && shared.turn === IDLE;
        try {
          const done = await inTurn(shared, work);
          if (done) return done.result;
        } catch (error) {
          const known = translate(error);
          // A kept connection may have broken long before, unnoticed.
          if (isOwn || !(known instanceof Unavailable)) throw known;
        } finally {
          giveBack(shared);
        }
      }
      throw new ApiError('unavailable', { detail: 'The database broke off again and again.', retryAfter: 2 });
    },
    forget(clientId) {
      for (const shared of [...kept.values()])
        if (clientId === undefined || shared.application.client_id === clientId) retire(shared);
    },
    async close() {
      for (const shared of [...kept.values()]) retire(shared);
      await Promise.all(ending);
    },
  };
}

/** What the caller did wrong was found out by reading, and leaves the transaction as it was. */
const isRefusal = (error: unknown): boolean => error instanceof ApiError || error instanceof ValidationError;

/** Resolves with the snapshot while it is open; `onBroken` is called where its connection ends by itself. */
function openSnapshot(db: Database, clock: Clock, applicationId: number, onBroken: () => void): Promise<Opened> {
  return new Promise((resolve, reject) => {
    let finish: (isSound: boolean) => void = () => {};
    const finished = new Promise<boolean>((done) => (finish = done));
    const ended = inSnapshot(db, async (client) => {
      client.once('end', onBroken);
      await client.query('set local idle_in_transaction_session_timeout = 0');
      const { rows } = await client.query<{ at: Instant }>(
        'select sweeping_until as at from sweeps where application_id = $1',
        [applicationId],
      );
      const now = Math.max(clock.now(), rows[0]?.at ?? -Infinity);
      const end = async (isSound: boolean): Promise<void> => {
        finish(isSound);
        await ended.catch(() => {});
      };
      resolve({ client, now, leaves: new Map(), end });
      const isSound = await finished;
      client.off('end', onBroken);
      if (!isSound) throw new BrokenSnapshot();
    });
    ended.catch(reject);
  });
}

/** Thrown so that the connection is not used again. */
class BrokenSnapshot extends Error {}
