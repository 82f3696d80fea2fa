// Webhooks: what one is, in the database and in an answer, and what of everything that happens it asks for.

import { Type, type Static } from 'typebox';
import { GROUP_EVENTS, PROFILE_EVENTS } from '../events/event.ts';
import { nullable, Timestamp } from '../http/schemas.ts';
import { formatInstant, type Instant } from '../instant.ts';

export const MAX_URL = 2_048;
export const MAX_DESCRIPTION = 1_000;
export const MAX_GROUPS = 100;
/** Of one application. */
export const MAX_WEBHOOKS = 100;

export const CHANGED = 'membership.changed';
export const EVENTS = [...PROFILE_EVENTS, ...GROUP_EVENTS, CHANGED, 'test'] as const;

export type Status = 'healthy' | 'failing' | 'disabled';

/** A row of `webhooks`. */
export interface Webhook {
  id: string;
  application_id: number;
  url: string;
  description: string;
  /** Null: all. */
  events: string[] | null;
  groups: string[] | null;
  switches: 'changes' | 'summary';
  is_active: boolean;
  /** Encrypted. */
  secret: Buffer;
  previous_secret: Buffer | null;
  previous_secret_until: Instant | null;
  created_at: Instant;
  updated_at: Instant;
  version: number;
  followed_since: Instant;
  status: Status;
  status_since: Instant;
  last_success_at: Instant | null;
  last_error: string | null;
  retry_after: Instant | null;
}

export type Interest = Pick<Webhook, 'events' | 'groups'>;

export const wantsEvent = ({ events }: Interest, event: string): boolean => events === null || events.includes(event);

/** Whether it asks for what happens to this group, by its id or its custom id. */
export const followsGroup = ({ groups }: Interest, group: { id: string; custom_id: string | null }): boolean =>
  groups === null ||
  groups.includes(group.id) ||
  (group.custom_id !== null && groups.includes(`custom:${group.custom_id}`));

export const WebhookFields = Type.Object({
  url: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_URL,
      description: 'Where messages are posted to: https, without credentials, at a public address.',
      examples: ['https://crm.example.com/grandstand'],
    }),
  ),
  description: Type.Optional(
    Type.String({ maxLength: MAX_DESCRIPTION, description: 'For people. Default empty.', examples: ['CRM'] }),
  ),
  events: Type.Optional(
    Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string', enum: [...EVENTS] },
      minItems: 1,
      maxItems: EVENTS.length,
      description: 'What it is told of. Null or absent: everything, also what is yet to be invented.',
      examples: [['membership.changed']],
    }),
  ),
  groups: Type.Optional(
    Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
      minItems: 1,
      maxItems: MAX_GROUPS,
      description:
        'Of which profile groups, by id or `custom:` and the custom id. Null or absent: all. Events of profiles come all the same.',
      examples: [['custom:regulars']],
    }),
  ),
  switches: Type.Optional(
    Type.Unsafe<'changes' | 'summary'>({
      type: 'string',
      enum: ['changes', 'summary'],
      description:
        'How it is told of a new rule or a replaced list: `changes` (default) each profile that entered or left, 500 a message; `summary` one message with the numbers.',
    }),
  ),
  is_active: Type.Optional(
    Type.Boolean({ description: 'False: nothing is sent; its position stays, and true goes on from there.' }),
  ),
});
export type WebhookFields = Static<typeof WebhookFields>;

export const WebhookResource = Type.Object(
  {
    id: Type.String(),
    url: Type.String(),
    description: Type.String(),
    events: Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
      description: 'Null: all.',
    }),
    groups: Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
      description: 'Null: all.',
    }),
    switches: Type.Unsafe<'changes' | 'summary'>({ type: 'string', enum: ['changes', 'summary'] }),
    is_active: Type.Boolean(),
    state: Type.Object({
      status: Type.Unsafe<Status>({
        type: 'string',
        enum: ['healthy', 'failing', 'disabled'],
        description: '`disabled`: turned off, by a person, by an answer of 410, or after five days without success.',
      }),
      since: Timestamp('Since when.'),
      last_success_at: nullable({ description: 'When a message was last taken, to the second.' }),
      last_error: nullable({ description: 'Why the last attempt failed; null while it is healthy.' }),
      oldest_undelivered_at: nullable({
        description: 'When the oldest thing happened that was sent and not taken yet; null where there is none.',
      }),
    }),
    secret: Type.Optional(Type.String({ description: 'Shown once, when it is created.' })),
    created_at: Timestamp('When it was created.'),
    updated_at: Timestamp('When its fields were last changed.'),
  },
  { $id: 'Webhook' },
);
export type WebhookResource = Static<typeof WebhookResource>;

const instant = (at: Instant | null): string | null => (at === null ? null : formatInstant(at));

export function presentWebhook(webhook: Webhook, oldest: Instant | null, secret?: string): WebhookResource {
  return {
    id: webhook.id,
    url: webhook.url,
    description: webhook.description,
    events: webhook.events,
    groups: webhook.groups,
    switches: webhook.switches,
    is_active: webhook.is_active,
    state: {
      status: webhook.status,
      since: formatInstant(webhook.status_since),
      last_success_at: instant(webhook.last_success_at),
      last_error: webhook.last_error,
      oldest_undelivered_at: instant(oldest),
    },
    ...(secret !== undefined && { secret }),
    created_at: formatInstant(webhook.created_at),
    updated_at: formatInstant(webhook.updated_at),
  };
}
