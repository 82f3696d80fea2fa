// What becomes of a stream and of its webhook after an attempt. Pure.

import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import type { Attempt, Delivery } from './delivery.ts';
import { DISABLED_AFTER, delayAfter, pauseUntil } from './schedule.ts';
import type { Answer } from './send.ts';
import type { Pending, Progress } from './stream.ts';
import type { Health } from './webhook-store.ts';

export interface Outcome {
  webhookId: string;
  stream: string;
  /** Of the stream when it was sent. */
  position: number;
  pending: Pending;
  /** Before this one. */
  attempts: number;
  startedAt: Instant;
  endedAt: Instant;
  answer: Answer;
}

export const isTaken = ({ error }: Pick<Answer, 'error'>): boolean => error === null;

/** The receiver asked to be left alone until then. */
const askedPause = ({ answer, endedAt }: Outcome): Instant | undefined =>
  answer.status === 429 || answer.status === 503 ? pauseUntil(answer.retryAfter, endedAt) : undefined;

export function progressAfter(outcome: Outcome): Progress {
  const { pending, position, endedAt } = outcome;
  if (isTaken(outcome.answer)) return { position: pending.last, pending: null, attempts: 0, nextAttemptAt: null };
  const attempts = outcome.attempts + 1;
  return { position, pending, attempts, nextAttemptAt: askedPause(outcome) ?? endedAt + delayAfter(attempts) };
}

/** `othersFail`: messages of other streams wait to be tried again. */
export function healthAfter(before: Health, outcome: Outcome, othersFail: boolean): Health {
  const { answer, endedAt } = outcome;
  if (!before.is_active) return before; // turned off by another one
  if (isTaken(answer)) {
    const status = othersFail ? 'failing' : 'healthy';
    return {
      ...before,
      status,
      status_since: before.status === status ? before.status_since : endedAt,
      last_success_at: endedAt,
      last_error: othersFail ? before.last_error : null,
      retry_after: null,
    };
  }
  const since = before.status === 'failing' ? before.status_since : endedAt;
  const failing: Health = {
    ...before,
    status: 'failing',
    status_since: since,
    last_error: answer.error,
    retry_after: askedPause(outcome) ?? before.retry_after,
  };
  const isOver = endedAt - Math.max(since, before.last_success_at ?? -Infinity) >= DISABLED_AFTER;
  if (answer.status !== 410 && !isOver) return failing;
  const why = isOver ? `No message was taken for five days: ${answer.error}` : answer.error;
  return { ...failing, is_active: false, status: 'disabled', status_since: endedAt, last_error: why };
}

const TO_THE_SECOND = MICROS_PER_SECOND;

/** That a message was taken is written once a second, all else at once. */
export const isWorthWriting = (before: Health, after: Health): boolean =>
  before.status !== after.status ||
  before.last_error !== after.last_error ||
  before.retry_after !== after.retry_after ||
  (after.last_success_at ?? 0) - (before.last_success_at ?? 0) >= TO_THE_SECOND;

export const attemptOf = ({ answer, startedAt }: Pick<Outcome, 'answer' | 'startedAt'>): Attempt => ({
  at: formatInstant(startedAt),
  status: answer.status,
  error: answer.error,
  duration_ms: answer.durationMs,
  answer: answer.body,
});

export const deliveryOf = (outcome: Outcome): Delivery => ({
  webhook_id: outcome.webhookId,
  id: outcome.pending.id,
  stream: outcome.stream,
  event: outcome.pending.event,
  first_sequence: outcome.pending.first,
  last_sequence: outcome.pending.last,
  state: isTaken(outcome.answer) ? 'delivered' : 'pending',
  created_at: outcome.startedAt,
  attempts: [attemptOf(outcome)],
});
