// An activity: one thing that a profile did. Its shape in the API, its limits, and how it is shown.

import { Type, type Static } from 'typebox';
import { formatInstant, type Instant } from '../instant.ts';
import { SENDERS, readStoredId, type SentBy } from './stored-id.ts';

export const MAX_BATCH = 1000;
export const MAX_ACTIVITY_ID = 128;
export const MAX_VALUE = 1_000_000_000;
export const MAX_DATA_BYTES = 4096;
/** How far ahead a sender's clock may be. What is ahead counts as done at its receipt. */
export const MAX_AHEAD = 5 * 60 * 1_000_000;
/** How far back a profile's own token may date an activity. */
export const MAX_BACK_FOR_PROFILES = 7 * 86_400 * 1_000_000;
export const TYPE_PATTERN = /^[a-z0-9-]{1,64}$/;

export interface Activity {
  profile_id: string;
  /** As it is stored: stored-id.ts. */
  id: string;
  type_id: number;
  occurred_at: Instant;
  received_at: Instant;
  value: number;
  data: Record<string, unknown> | null;
}

const occurred = Type.String({
  description: 'When it happened, ISO 8601. Default: now. Up to five minutes ahead counts as now; more is rejected.',
  examples: ['2025-04-28T12:16:49.670053Z'],
});

export const SentByField = Type.Unsafe<SentBy>({
  type: 'string',
  enum: [...SENDERS],
  description:
    'Whose id it is: a profile’s own token and admins have each their own. An admin token may say `profile`, to bring back what a profile sent.',
});

/** As documented. Items are checked by hand (read-items.ts), each by itself. */
export const ActivityItem = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: MAX_ACTIVITY_ID,
    description:
      'Yours, unique for the profile among what its own tokens send, or among what admins send: sent again, it is a duplicate.',
  }),
  type: Type.String({
    pattern: TYPE_PATTERN.source,
    description: 'A type of the catalogue, or with an admin token any other.',
    examples: ['comment-created'],
  }),
  profile_id: Type.Optional(Type.String({ description: 'The profile; a profile’s own token need not say it.' })),
  custom_id: Type.Optional(Type.String({ description: 'Instead of `profile_id`, your own id of the profile.' })),
  occurred_at: Type.Optional(occurred),
  value: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_VALUE, description: 'What sums add up. Default 1.' })),
  sent_by: Type.Optional(SentByField),
  data: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: 'Anything of yours, at most 4 KiB as JSON.' }),
  ),
});

export const IntakeBody = Type.Object({
  activities: Type.Array(ActivityItem, { minItems: 1, maxItems: MAX_BATCH }),
});

export const IntakeAnswer = Type.Object({
  accepted: Type.Integer({ description: 'How many were new. They are stored.' }),
  duplicates: Type.Integer({ description: 'How many were known already; the first content stands.' }),
  rejected: Type.Array(
    Type.Object({
      index: Type.Integer({ description: 'Place in the list that was sent, from 0.' }),
      id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      errors: Type.Record(Type.String(), Type.Array(Type.String())),
    }),
  ),
});
export type IntakeAnswer = Static<typeof IntakeAnswer>;

export const ActivityResource = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    profile_id: Type.String(),
    occurred_at: Type.String({ examples: ['2025-04-28T12:16:49.670053Z'] }),
    received_at: Type.String({ description: 'When this server stored it.' }),
    value: Type.Integer(),
    data: Type.Unsafe<Record<string, unknown> | null>({ type: ['object', 'null'], additionalProperties: true }),
    sent_by: SentByField,
  },
  { $id: 'Activity' },
);
export type ActivityResource = Static<typeof ActivityResource>;

export function presentActivity(row: Activity, typeName: (id: number) => string): ActivityResource {
  const { id, sent_by } = readStoredId(row.id);
  return {
    id,
    type: typeName(row.type_id),
    profile_id: row.profile_id,
    occurred_at: formatInstant(row.occurred_at),
    received_at: formatInstant(row.received_at),
    value: row.value,
    data: row.data,
    sent_by,
  };
}
