// Activities on their way to the server. What was tracked is in memory at once and in storage a moment later; it leaves
// both when the server has acknowledged it. Sending twice is harmless, since each activity carries its id; so whenever in
// doubt, this sends again. What the server refuses is one activity's fault: it is looked for, and the others go their way.

import { ApiError, InvalidTokenError } from './errors.ts';
import { backOff, isTemporary, type Request } from './http.ts';
import { parseJson } from './json.ts';
import { chain, type Store } from './storage.ts';
import { randomId } from './token.ts';

export interface TrackOptions {
  /** Whole number from 1; a fan's own token may only say 1, the default. */
  value?: number;
  /** At most 4 KiB as JSON. */
  data?: Record<string, unknown>;
  /** A string is sent as it is: ISO 8601, UTC where it names no offset. A number is milliseconds since 1970. Default: now. */
  occurredAt?: Date | string | number;
  /** Default: a new one. The same id again changes nothing. */
  id?: string;
}

/** An activity as it is sent. */
export interface Activity {
  id: string;
  type: string;
  occurred_at?: string;
  value?: number;
  data?: Record<string, unknown>;
}

/** Why activities will never reach the server. */
export interface Drop {
  /** `full`: more waited than `maxQueue`; `rejected`: they cannot be written as JSON, or the server refused them for good. */
  reason: 'full' | 'rejected';
  activities: Activity[];
  /** Of `rejected`: what was wrong with each, in the order of `activities`; one ApiError where the server refused them all together. */
  errors?: unknown[];
}

export interface QueueOptions {
  /** How many activities wait at most; beyond it the oldest are dropped. Default 1000. */
  maxQueue?: number | undefined;
  /** Milliseconds that a tracked activity waits for others. Default 1000. */
  flushInterval?: number | undefined;
  /** Told of activities that will never reach the server. Default: a warning on the console. */
  onDrop?: ((drop: Drop) => void) | undefined;
}

export interface Queue {
  track(type: string, options?: TrackOptions): string;
  flush(): Promise<void>;
  /** The profile is known: sends what waits and what was left behind on an earlier visit, also by profiles that became this one. */
  open(profileId: string, former: readonly string[]): Promise<void>;
  /** The profile is not this client's any more. What waits stays stored for its return. */
  leave(): void;
  close(): void;
}

interface Answer {
  rejected?: { index: number; errors?: Record<string, unknown> }[];
}

const BATCH = 100;
const WEEK = 7 * 86_400_000;
/** Browsers refuse to keep more than 64 KiB alive beyond the page, over all requests. */
const KEEPALIVE_BYTES = 60_000;

/** Sends what waits, of each queue in which something does: for a program that is about to end. */
export const unsent = new Set<() => Promise<void>>();

/**
 * `keepsEarly`: what is tracked before the profile is known may be stored, since it can only be this device's next profile's.
 * `owner`: the profile that `request` speaks for at the moment.
 */
export function createQueue(
  request: Request,
  path: string,
  key: string,
  store: Store,
  keepsEarly: boolean,
  options: QueueOptions,
  owner: () => string | undefined,
): Queue {
  const { maxQueue = 1000, flushInterval = 1000, onDrop } = options;
  let waiting: Activity[] = [];
  /** Acknowledged or dropped, and perhaps still in storage. */
  const gone = new Set<string>();
  /** With the device's own time: sent anew without it if the server finds that wrong. */
  const stamped = new Set<string>();
  const earlyAt = `${key}:queue`;
  let storedAt = keepsEarly ? earlyAt : undefined;
  let isStoring = false;
  let isLeaving = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  let failures = 0;

  /** What waits is never sent by another account's token, also while the account changes. */
  const isOpen = (): boolean => storedAt === `${earlyAt}:${owner()}`;

  const forget = (activities: Activity[]): void => {
    for (const { id } of activities) gone.add(id);
    waiting = waiting.filter(({ id }) => !gone.has(id));
    if (!waiting.length) unsent.delete(flush);
  };

  const drop = (reason: Drop['reason'], activities: Activity[], errors?: unknown[]): void => {
    if (!activities.length) return;
    if (onDrop) onDrop({ reason, activities, ...(errors && { errors }) });
    // eslint-disable-next-line no-console -- what is lost is never lost silently
    else console.warn(`Grandstand dropped ${activities.length} activities: ${reason}.`, errors ?? '');
  };

  const bound = (): void => {
    const excess = waiting.slice(0, -maxQueue || undefined);
    forget(excess);
    drop('full', excess);
  };

  /** Other tabs write the same list: what they added stays. Runs through at once where storage is synchronous. */
  const persist = (): unknown => {
    isStoring = false;
    const at = storedAt;
    if (!at) return undefined;
    const mine = waiting; // by the time that storage answers, another profile's may be waiting
    return chain(
      () => store.get(at),
      (text) => {
        const done = [...gone];
        const ids = new Set([...mine.map(({ id }) => id), ...done]);
        const list = [...parse(text).filter(({ id }) => !ids.has(id)), ...mine.filter(({ id }) => !gone.has(id))].slice(
          -maxQueue,
        );
        const write = (): unknown => (list.length ? store.set(at, JSON.stringify(list)) : store.remove(at));
        return chain<unknown, unknown>(
          write,
          () => done.forEach((id) => gone.delete(id)),
          () => {},
        );
      },
      () => undefined,
    );
  };

  const persistSoon = (): void => {
    if (isStoring) return;
    isStoring = true;
    queueMicrotask(() => void persist());
  };

  const schedule = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void flush().catch(() => {}), ms);
    // Node: this alone keeps no program running; what waits at its end is sent then.
    (timer as { unref?: () => void }).unref?.();
  };

  const send = (batch: Activity[], keepalive = false): Promise<Answer | undefined> =>
    request<Answer | undefined>('POST', path, { body: { activities: batch }, idempotencyKey: null, keepalive });

  const settle = (batch: Activity[], answer: Answer | undefined): void => {
    const again: Activity[] = [];
    const dropped: Activity[] = [];
    const reasons: unknown[] = [];
    for (const { index, errors } of answer?.rejected ?? []) {
      const activity = batch[index];
      if (!activity) continue;
      // By the device's clock it is neither old nor ahead: so that clock is wrong, and the server's has to do.
      const isClockWrong =
        errors?.['occurred_at'] &&
        stamped.delete(activity.id) &&
        Math.abs(Date.now() - Date.parse(String(activity.occurred_at))) < WEEK;
      if (isClockWrong) {
        delete activity.occurred_at;
        again.push(activity);
      } else {
        dropped.push(activity);
        reasons.push(errors);
      }
    }
    forget(batch.filter((activity) => !again.includes(activity)));
    drop('rejected', dropped, reasons);
  };

  const sendAll = async (): Promise<void> => {
    let size = BATCH;
    while (waiting.length && isOpen()) {
      const batch = waiting.slice(0, size);
      try {
        settle(batch, await send(batch));
        failures = 0;
        size = Math.min(size * 2, BATCH);
      } catch (error) {
        if (isTemporary(error)) {
          schedule(backOff(1 + failures++, error));
          throw error;
        }
        // A dead token may be replaced; any other refusal would come again for ever.
        if (error instanceof InvalidTokenError || !(error instanceof ApiError)) throw error;
        // Any but 404, of the whole path, may be of one activity: the server's word, or of a proxy that looks into bodies.
        if (batch.length > 1 && error.status !== 404) {
          size = batch.length >> 1;
        } else {
          forget(batch);
          drop('rejected', batch, [error]);
        }
      } finally {
        persistSoon();
      }
    }
  };

  async function flush(): Promise<void> {
    clearTimeout(timer);
    if (running) await running.catch(() => {});
    running ??= sendAll().finally(() => (running = undefined));
    return running;
  }

  /** The page may be gone in a moment: everything that fits is sent so that it outlives it, and stays stored until acknowledged. */
  const sendLast = (): void => {
    void persist();
    if (!isOpen() || isLeaving) return;
    let room = KEEPALIVE_BYTES;
    const batch = waiting.slice(0, BATCH).filter((activity) => (room -= JSON.stringify(activity).length * 3) > 0);
    if (!batch.length) return;
    isLeaving = true;
    send(batch, true)
      .then((answer) => settle(batch, answer))
      .then(persistSoon, () => {})
      .finally(() => (isLeaving = false));
  };

  const onHide = (): void => {
    if (document.hidden) sendLast();
  };
  // Absent outside of pages.
  const page = globalThis.document as Document | undefined;
  const events: [EventTarget, string, () => void][] = page
    ? [
        [page, 'visibilitychange', onHide],
        [globalThis, 'pagehide', sendLast],
        [globalThis, 'online', () => schedule(0)],
      ]
    : [];
  for (const [target, event, listener] of events) target.addEventListener(event, listener);

  const leave = (): void => {
    clearTimeout(timer);
    void persist();
    waiting = [];
    unsent.delete(flush);
    storedAt = keepsEarly ? earlyAt : undefined;
  };

  return {
    track(type, { id = randomId(), occurredAt, value, data } = {}) {
      const activity: Activity = { id, type, ...(value !== undefined && { value }), ...(data && { data }) };
      try {
        activity.occurred_at =
          typeof occurredAt === 'string' ? occurredAt : new Date(occurredAt ?? Date.now()).toISOString();
        // A copy: what the caller changes afterwards is not meant, and what has no JSON would hold up all others.
        waiting.push(JSON.parse(JSON.stringify(activity)) as Activity);
      } catch (error) {
        drop('rejected', [activity], [error]);
        return id;
      }
      if (occurredAt === undefined) stamped.add(id);
      unsent.add(flush);
      bound();
      persistSoon();
      if (failures === 0) schedule(waiting.length >= BATCH ? 0 : flushInterval);
      return id;
    },
    flush,
    async open(profileId, former) {
      const at = `${earlyAt}:${profileId}`;
      if (storedAt === at) return;
      const others = [...(keepsEarly ? [earlyAt] : []), ...former.map((id) => `${earlyAt}:${id}`)];
      const left: Activity[] = [];
      for (const from of [at, ...others]) left.push(...parse(await store.get(from)));
      const known = new Set([...waiting.map(({ id }) => id), ...gone]);
      waiting = [...left.filter(({ id }) => !known.has(id)), ...waiting];
      for (const { id } of left) stamped.add(id);
      storedAt = at;
      bound();
      if (!waiting.length) return;
      unsent.add(flush);
      await persist();
      for (const from of others) await store.remove(from);
      schedule(0);
    },
    leave,
    close() {
      leave();
      for (const [target, event, listener] of events) target.removeEventListener(event, listener);
    },
  };
}

function parse(text: string | undefined): Activity[] {
  const list = parseJson(text);
  return Array.isArray(list) ? (list as Activity[]) : []; // only written here
}
