// A delivery: one message to one webhook, with every attempt to hand it over. Its body is not kept but told again from the
// feed, so that nothing of a fan outlives him here.

import { Type, type Static } from 'typebox';
import { nullable, Timestamp } from '../http/schemas.ts';
import { formatInstant, type Instant } from '../instant.ts';

export type DeliveryState = 'pending' | 'delivered' | 'failed';

export interface Attempt {
  at: string;
  status: number | null;
  error: string | null;
  duration_ms: number;
  /** The first KiB. */
  answer: string;
}

/** A row of `webhook_deliveries`. */
export interface Delivery {
  webhook_id: string;
  id: string;
  stream: string;
  event: string;
  first_sequence: number;
  last_sequence: number;
  state: DeliveryState;
  created_at: Instant;
  attempts: Attempt[];
}

export const TEST_STREAM = 'test';

export const DeliveryResource = Type.Object(
  {
    id: Type.String({ description: 'The `webhook-id` of every attempt.' }),
    event: Type.String(),
    state: Type.Unsafe<DeliveryState>({
      type: 'string',
      enum: ['pending', 'delivered', 'failed'],
      description: '`pending`: it is tried again by itself; `failed`: it is not, as after a test.',
    }),
    group_id: nullable({ description: 'Of `membership.changed`.' }),
    first_sequence: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'Of the feed; null of a test.',
    }),
    last_sequence: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    created_at: Timestamp('When it was first sent.'),
    next_attempt_at: nullable({ description: 'When it is tried again, of one that waits.' }),
    attempts: Type.Array(
      Type.Object({
        at: Timestamp('When.'),
        status: Type.Unsafe<number | null>({
          type: ['integer', 'null'],
          description: 'Null where there was no answer.',
        }),
        error: nullable({ description: 'Why it was not taken.' }),
        duration_ms: Type.Number(),
        answer: Type.String({ description: 'The first KiB of the body.' }),
      }),
      { description: 'Oldest first.' },
    ),
    body: Type.Optional(
      nullable({
        description: 'What was sent, told anew from the feed; null where that does not reach back any more.',
      }),
    ),
  },
  { $id: 'WebhookDelivery' },
);
export type DeliveryResource = Static<typeof DeliveryResource>;

export function presentDelivery(
  delivery: Delivery,
  nextAttemptAt: Instant | null = null,
  body?: string | null,
): DeliveryResource {
  const isTest = delivery.stream === TEST_STREAM;
  return {
    id: delivery.id,
    event: delivery.event,
    state: delivery.state,
    group_id: delivery.stream.startsWith('group:') ? delivery.stream.slice('group:'.length) : null,
    first_sequence: isTest ? null : delivery.first_sequence,
    last_sequence: isTest ? null : delivery.last_sequence,
    created_at: formatInstant(delivery.created_at),
    next_attempt_at: nextAttemptAt === null ? null : formatInstant(nextAttemptAt),
    attempts: delivery.attempts,
    ...(body !== undefined && { body }),
  };
}
