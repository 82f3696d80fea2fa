// Sends what the feeds have to tell. Several workers share the webhooks by leases; what one of them does is always the same
// round: write down what became of the attempts that ended, settle which messages come next, and only once that is on the
// disk send them. So a message keeps its bounds and its id through every crash, and a kill repeats at most the one that
// was on its way. Attempts run beside the rounds: whoever does not answer holds up nobody.

import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { LEASE_TTL_MS, LeaseLost, leases, type LeaseOptions } from '../database/leases.ts';
import { listUnnumbered, numberEvents } from '../events/event-store.ts';
import { newId } from '../ids.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { rests, wakeSignal } from '../rests.ts';
import type { Secrets } from '../secrets.ts';
import { createBoard, type Held } from './board.ts';
import { deleteOldDeliveries, failDeliveries, writeDeliveries } from './delivery-store.ts';
import { createFeedReader, type Draft, type FeedReader } from './feed.ts';
import { deliveryOf, healthAfter, isTaken, isWorthWriting, progressAfter, type Outcome } from './outcome.ts';
import { CONNECTIONS, type Message, type Sender } from './send.ts';
import { sign } from './signature.ts';
import { deleteStreams, insertStreams, moveStreams, type Move } from './stream-store.ts';
import type { Pending, Progress, Stream } from './stream.ts';
import { secretsOf } from './webhook-secrets.ts';
import { listActive, listAll, listClientIds, removeWebhook, writeHealth, type Health } from './webhook-store.ts';

/** What workers share: webhooks, by the last bits of their ids. */
export const SENDING = { prefix: 'webhooks/', buckets: 64 };
const bucketOf = (webhookId: string): number => Number.parseInt(webhookId.slice(-4), 16) % SENDING.buckets;

export interface WebhookWorkerContext {
  db: Database;
  clock: Clock;
  log: Logger;
  secrets: Secrets;
  sender: Sender;
}

export interface WebhookWorkerOptions extends LeaseOptions {
  /** Told after every attempt. */
  onOutcome?: (outcome: Outcome) => void;
}

export interface WebhookWorker {
  /** Sends everything that is due at `clock.now()`, and returns how many attempts that took. */
  tick(): Promise<number>;
  start(): void;
  /** A webhook may have changed: looks now instead of at its next turn. */
  wake(): void;
  /** What is on its way is waited for, as far as its time goes; the rest is left to others. */
  stop(): Promise<void>;
  /** As if the process had died: nothing more is begun or written, and its leases are left to run out. */
  abandon(): void;
}

/** So long changes gather before they are told, unless more than one message waits. */
const GATHER_MS = 100;
const IDLE_MS = 250;
const RELOAD_MS = 1_000;
/** Where there is no webhook at all. */
const NOTHING_MS = 2_000;
const NUMBER_MS = 5_000;
const CLEAN_MS = 60_000;
const CLEAN_SLICE = 1_000;
const DELIVERIES_KEPT = 7 * MICROS_PER_DAY;
const DELETED_KEPT = 3_600 * MICROS_PER_SECOND;
const STOP_MS = 2_000;
const AFTER_ERROR_MS = 500;
/** After so many failures in a row, one attempt at a time finds out whether the receiver is back. */
const DOWN = 3;

const keyOf = (webhookId: string, stream: string): string => `${webhookId} ${stream}`;

export function createWebhookWorker(context: WebhookWorkerContext, options: WebhookWorkerOptions = {}): WebhookWorker {
  const { db, clock, log, sender } = context;
  const own = leases(db, SENDING, options);
  const board = createBoard(db);
  /** Streams with a message on its way, or one that came back and is not written down yet, by webhook. */
  const busy = new Map<string, Set<string>>();
  const attempts = new Set<Promise<void>>();
  let outcomes: Outcome[] = [];
  let ended = false;
  let abandoned = false;
  let woken = wakeSignal();
  const { rest, end: endRests } = rests();
  const running: Promise<void>[] = [];

  let reader: FeedReader = createFeedReader(db);
  let polledAt = -Infinity;
  let reloadedAt = -Infinity;
  let numberedAt = -Infinity;
  let cleanedAt = -Infinity;

  const isBusy = (webhookId: string, stream: string): boolean => busy.get(webhookId)?.has(stream) ?? false;
  const setBusy = (webhookId: string, stream: string): void => {
    const set = busy.get(webhookId);
    if (set) set.add(stream);
    else busy.set(webhookId, new Set([stream]));
  };
  const setFree = (webhookId: string, stream: string): void => {
    const set = busy.get(webhookId);
    set?.delete(stream);
    if (set?.size === 0) busy.delete(webhookId);
  };

  const reload = async (): Promise<void> => {
    const webhooks = await listActive(db);
    if (webhooks.length > 0) await own.rebalance(new Set([...busy.keys()].map(bucketOf)));
    const share = new Set(webhooks.length > 0 ? own.buckets() : []);
    const mine = webhooks.filter((webhook) => share.has(bucketOf(webhook.id)));
    for (const id of board.held.keys()) if (!mine.some((webhook) => webhook.id === id)) sender.forget(id);
    await board.hold(mine, mine.length > 0 ? await listClientIds(db) : new Map());
    reloadedAt = performance.now();
  };

  const poll = async (): Promise<void> => {
    reader = createFeedReader(db);
    await board.poll();
    polledAt = performance.now();
  };

  interface Plan {
    /** Where streams stand once this is written. */
    progress: Map<Stream, Progress>;
    moves: Move[];
    sends: { held: Held; stream: Stream; pending: Pending; attempts: number; body: string }[];
    health: Map<Held, Health>;
    /** Messages that are given up, since their feed is gone. */
    lost: { webhookId: string; id: string }[];
  }

  /** What became of attempts, first of all. */
  const settle = (plan: Plan, done: readonly Outcome[]): void => {
    for (const outcome of done) {
      const { webhookId, position, pending } = outcome;
      const held = board.held.get(webhookId);
      const stream = held?.streams.get(outcome.stream);
      const to = progressAfter(outcome);
      plan.moves.push({ webhookId, stream: outcome.stream, from: { position, pendingId: pending.id }, to });
      if (!held) continue;
      const isKnown = stream?.pending?.id === pending.id;
      if (isKnown && stream) plan.progress.set(stream, to);
      const before = plan.health.get(held) ?? healthOf(held);
      const othersFail =
        before.status === 'failing' &&
        [...held.streams.values()].some((other) => (plan.progress.get(other) ?? other).attempts > 0);
      plan.health.set(held, healthAfter(before, outcome, othersFail));
      if (!isTaken(outcome.answer)) held.failures++;
      else {
        if (held.failures >= DOWN) retryAll(plan, held);
        held.failures = 0;
      }
    }
  };

  /** The receiver is back: what waits for a later attempt need not. */
  const retryAll = (plan: Plan, held: Held): void => {
    for (const stream of held.streams.values()) {
      const { position, pending, attempts: tried, nextAttemptAt } = plan.progress.get(stream) ?? stream;
      if (!pending || nextAttemptAt === null || isBusy(held.webhook.id, stream.stream)) continue;
      plan.progress.set(stream, { position, pending, attempts: tried, nextAttemptAt: null });
      held.ready.add(stream);
    }
  };

  const isDue = (plan: Plan, stream: Stream, now: Instant): boolean =>
    ((plan.progress.get(stream) ?? stream).nextAttemptAt ?? -Infinity) <= now;

  /** Of each webhook as many streams as may be sent beside each other. */
  const choose = (plan: Plan, ended: ReadonlySet<string>): [Held, Stream][] => {
    const now = clock.now();
    const chosen: [Held, Stream][] = [];
    for (const held of board.held.values()) {
      const { id } = held.webhook;
      if (board.doubted.has(id)) continue;
      const health = plan.health.get(held) ?? held.webhook;
      if (!health.is_active || (health.retry_after ?? -Infinity) > now) continue;
      const flying = [...(busy.get(id) ?? [])].filter((stream) => !ended.has(keyOf(id, stream))).length;
      let free = (held.failures >= DOWN ? 1 : CONNECTIONS) - flying;
      for (const stream of held.ready) {
        if (free <= 0) break;
        const isFlying = isBusy(id, stream.stream) && !ended.has(keyOf(id, stream.stream));
        if (isFlying || !isDue(plan, stream, now)) continue;
        chosen.push([held, stream]);
        free--;
      }
    }
    return chosen;
  };

  /** Settles what a stream tells next. */
  const draft = async (plan: Plan, held: Held, stream: Stream): Promise<void> => {
    const known = plan.progress.get(stream) ?? stream;
    const told = board.told(held, stream);
    if (known.pending) {
      const body = await reader.again(stream.stream, told, known.pending);
      if (body !== undefined) {
        plan.sends.push({ held, stream, pending: known.pending, attempts: known.attempts, body });
        return;
      }
    }
    // What its feed does not hold any more can be told by nobody.
    if (known.pending) plan.lost.push({ webhookId: held.webhook.id, id: known.pending.id });
    const from = known.pending ? known.pending.last : known.position;
    const isAtEnd = told.group !== undefined && told.group.newest <= from;
    const next = isAtEnd ? undefined : await reader.next(stream.stream, told, from);
    if (next === undefined) {
      held.ready.delete(stream);
      if (!known.pending) return;
      plan.progress.set(stream, { position: from, pending: null, attempts: 0, nextAttemptAt: null });
    } else if ('skipTo' in next) {
      plan.progress.set(stream, { position: next.skipTo, pending: null, attempts: 0, nextAttemptAt: null });
    } else {
      const { body, ...bounds }: Draft = next;
      const pending: Pending = { id: newId(), ...bounds };
      plan.progress.set(stream, { position: from, pending, attempts: 0, nextAttemptAt: null });
      plan.sends.push({ held, stream, pending, attempts: 0, body });
    }
  };

  /** Returns whether anything happened. */
  const round = async (): Promise<boolean> => {
    const done = outcomes;
    outcomes = [];
    try {
      const plan: Plan = { progress: new Map(), moves: [], sends: [], health: new Map(), lost: [] };
      settle(plan, done);
      const endedKeys = new Set(done.map((outcome) => keyOf(outcome.webhookId, outcome.stream)));
      const chosen = ended ? [] : choose(plan, endedKeys);
      await Promise.all(chosen.map(([held, stream]) => draft(plan, held, stream)));
      mergeMoves(plan);
      if (plan.moves.length + board.fresh.length + board.gone.length + plan.sends.length === 0) return false;
      if (abandoned) return false;
      const moved = await write(plan, done);
      for (const outcome of done) setFree(outcome.webhookId, outcome.stream);
      take(plan, moved);
      return true;
    } catch (error) {
      outcomes = [...done, ...outcomes];
      throw error;
    }
  };

  /** One move a stream: from where the database has it to where it is to stand. */
  const mergeMoves = (plan: Plan): void => {
    const moves = new Map(plan.moves.map((move) => [keyOf(move.webhookId, move.stream), move]));
    for (const [{ webhookId, stream, position, pending }, to] of plan.progress) {
      const from = moves.get(keyOf(webhookId, stream))?.from ?? { position, pendingId: pending?.id ?? null };
      moves.set(keyOf(webhookId, stream), { webhookId, stream, from, to });
    }
    plan.moves = [...moves.values()];
  };

  const write = async (plan: Plan, done: readonly Outcome[]): Promise<Set<string>> => {
    const { fresh, gone } = board;
    const healths = [...plan.health].flatMap(([held, after]) => (isWorthWriting(held.webhook, after) ? [after] : []));
    const isWriting = plan.moves.length + fresh.length + gone.length + done.length > 0;
    if (!isWriting) return new Set();
    const moved = await db.transaction(async (tx) => {
      await own.hold(tx);
      await deleteStreams(tx, gone);
      await failDeliveries(
        tx,
        gone.flatMap(({ webhookId, pending }) => (pending ? [{ webhookId, id: pending.id }] : [])),
      );
      await insertStreams(tx, fresh);
      const [result] = await Promise.all([
        moveStreams(tx, plan.moves),
        writeDeliveries(tx, done.map(deliveryOf)),
        writeHealth(tx, healths),
        failDeliveries(tx, plan.lost),
      ]);
      return result;
    });
    board.fresh = [];
    board.gone = [];
    return moved;
  };

  /** It is on the disk: memory follows, and messages go out. */
  const take = (plan: Plan, moved: ReadonlySet<string>): void => {
    for (const [held, health] of plan.health)
      if (isWorthWriting(held.webhook, health)) held.webhook = { ...held.webhook, ...health };
    for (const { webhookId, stream } of plan.moves) {
      // Somebody else moved it: positions were set back, or another worker took over.
      if (!moved.has(keyOf(webhookId, stream))) board.doubted.add(webhookId);
    }
    for (const [stream, progress] of plan.progress) Object.assign(stream, progress);
    for (const { held, stream, pending, attempts: tried, body } of plan.sends) {
      if (board.doubted.has(held.webhook.id) || ended) continue;
      held.ready.delete(stream); // to its end: the others first
      held.ready.add(stream);
      setBusy(held.webhook.id, stream.stream);
      send(held, stream, pending, tried, body);
    }
  };

  const send = (held: Held, { stream, position }: Stream, pending: Pending, tried: number, body: string): void => {
    const { webhook } = held;
    const startedAt = clock.now();
    const headers = sign(pending.id, body, secretsOf(context.secrets, webhook, startedAt), startedAt);
    const message: Message = { url: webhook.url, headers, body };
    const attempt = sender.send(webhook.id, message).then((answer) => {
      attempts.delete(attempt);
      if (abandoned) return;
      const outcome: Outcome = {
        webhookId: webhook.id,
        stream,
        position,
        pending,
        attempts: tried,
        startedAt,
        endedAt: clock.now(),
        answer,
      };
      outcomes.push(outcome);
      options.onOutcome?.(outcome);
      woken.wake();
    });
    attempts.add(attempt);
  };

  /** Feeds that nobody reads are numbered all the same, so that whoever comes does not wait for years of them. */
  const numberAll = async (): Promise<void> => {
    for (const { application_id: id, feed } of await listUnnumbered(db)) await numberEvents(db, id, feed);
    numberedAt = performance.now();
  };

  /** Deliveries are kept for a week, those of deleted webhooks not at all. */
  const clean = async (): Promise<void> => {
    const share = new Set(own.buckets());
    const before = clock.now() - DELIVERIES_KEPT;
    for (const { id, deleted_at: deletedAt } of await listAll(db)) {
      if (!share.has(bucketOf(id))) continue;
      const limit = deletedAt === null ? before : undefined;
      while (!ended && (await deleteOldDeliveries(db, id, limit, CLEAN_SLICE)) === CLEAN_SLICE);
      // An attempt that was on its way may still come back and be written down.
      if (deletedAt !== null && deletedAt < clock.now() - DELETED_KEPT) await removeWebhook(db, id);
    }
    cleanedAt = performance.now();
  };

  const tick = async (): Promise<number> => {
    let sent = 0;
    await numberAll();
    await reload();
    await clean();
    for (let isMoving = true; isMoving && !abandoned;) {
      await reload();
      await poll();
      isMoving = false;
      while (!abandoned && (await round())) isMoving = true;
      sent += attempts.size;
      if (attempts.size > 0) isMoving = true;
      await Promise.all(attempts);
    }
    return sent;
  };

  const step = async (): Promise<void> => {
    woken = wakeSignal();
    const isKnown = board.held.size > 0;
    if (performance.now() - reloadedAt >= RELOAD_MS || board.doubted.size > 0) await reload();
    if (performance.now() - numberedAt >= NUMBER_MS) await numberAll();
    if (board.held.size === 0 && outcomes.length === 0) return rest(isKnown ? RELOAD_MS : NOTHING_MS, woken);
    if (performance.now() - cleanedAt >= CLEAN_MS) await clean();
    if (performance.now() - polledAt >= GATHER_MS) await poll();
    if (await round()) idle = GATHER_MS;
    else idle = Math.min(idle * 1.2, IDLE_MS);
    if (outcomes.length === 0) await rest(Math.max(1, idle), woken);
  };
  let idle = GATHER_MS;

  const keep = async (name: string, work: () => Promise<void>): Promise<void> => {
    while (!ended) {
      try {
        await work();
      } catch (error) {
        if (ended) return;
        log[error instanceof LeaseLost ? 'warn' : 'error']({ err: error }, `${name} failed`);
        reloadedAt = -Infinity;
        await rest(AFTER_ERROR_MS);
      }
    }
  };

  return {
    tick,
    start() {
      const beat = async (): Promise<void> => {
        if (board.held.size > 0) await own.beat();
        await rest((options.ttlMs ?? LEASE_TTL_MS) / 4);
      };
      running.push(keep('sending webhooks', step), keep('the heartbeat of webhooks', beat));
    },
    wake() {
      reloadedAt = Math.min(reloadedAt, performance.now() - RELOAD_MS);
      woken.wake();
    },
    async stop() {
      ended = true;
      endRests();
      await Promise.all(running);
      // Whoever is slow to answer is sent the same message again.
      await Promise.race([Promise.all(attempts), new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
      await round().catch((error: unknown) => log.warn({ err: error }, 'what was sent last will be sent again'));
      await own.release().catch((error: unknown) => log.warn({ err: error }, 'leases were left to run out'));
    },
    abandon() {
      ended = true;
      abandoned = true;
      endRests();
    },
  };
}

const healthOf = ({ webhook }: Held): Health => webhook;
