// Sources: systems that send what fans do, each by a key of its own. What one is, in the database and in an answer.

import { Type, type Static } from 'typebox';
import { Timestamp, nullable } from '../http/schemas.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { MAX_MAPPED, type Mapping } from './mapping.ts';

export const MAX_NAME = 200;
/** Of one application. */
export const MAX_SOURCES = 100;
export const MIN_WRITE_KEY = 16;
export const MAX_WRITE_KEY = 255;
/** What is kept of the items that were refused or led nowhere, of each source. */
export const PROBLEMS_KEPT = 1_000;

export const KINDS = ['segment', 'livelike'] as const;
export type Kind = (typeof KINDS)[number];
export const TRUSTS = ['server', 'client'] as const;
export type Trust = (typeof TRUSTS)[number];

/** A row of `sources`. */
export interface Source {
  id: string;
  application_id: number;
  name: string;
  kind: Kind;
  trust: Trust;
  /** Encrypted. */
  write_key: Buffer;
  previous_write_key: Buffer | null;
  previous_write_key_until: Instant | null;
  mapping: Mapping;
  problems: number;
  last_received_at: Instant | null;
  created_at: Instant;
  updated_at: Instant;
}

const kindField = Type.Unsafe<Kind>({
  type: 'string',
  enum: [...KINDS],
  description:
    '`segment`: the HTTP tracking API of Segment, which RudderStack speaks too. `livelike`: the webhooks of LiveLike.',
});
const trustField = Type.Unsafe<Trust>({
  type: 'string',
  enum: [...TRUSTS],
  description:
    '`server` may do what an admin token may. `client`, for a key that stands in a web page, what a profile’s token may: types marked `client`, the value 1, at most 7 days back, attributes that profiles may write. Default `server`; LiveLike’s webhooks are always `server`.',
});
const namesOf = (description: string, examples: Record<string, string | null>[]) =>
  Type.Unsafe<Record<string, string | null>>({
    type: 'object',
    additionalProperties: { type: ['string', 'null'] },
    maxProperties: MAX_MAPPED,
    description,
    examples,
  });
const callField = (call: string) =>
  nullable({ description: `The activity type of a ${call} call. Absent: \`${call}-viewed\`. Null: none is made.` });

const mappingField = Type.Object(
  {
    events: Type.Optional(
      namesOf('Activity types by the name of an event; null ignores it. Others get a type made from their name.', [
        { 'Comment Created': 'comment-created', Heartbeat: null },
      ]),
    ),
    traits: Type.Optional(
      namesOf(
        'Attribute keys by the name of a trait, also `nickname`; null ignores it. A dot leads into an object. Other traits are taken where the catalogue has an attribute of the same key.',
        [{ plan: 'tier', 'address.city': 'city' }],
      ),
    ),
    page: Type.Optional(callField('page')),
    screen: Type.Optional(callField('screen')),
  },
  { additionalProperties: false, description: 'Replaces the whole mapping. Default: empty.' },
);

export const SourceFields = Type.Object({
  name: Type.Optional(
    Type.String({ minLength: 1, maxLength: MAX_NAME, description: 'For people.', examples: ['Web shop'] }),
  ),
  kind: Type.Optional(kindField),
  trust: Type.Optional(trustField),
  write_key: Type.Optional(
    Type.String({
      minLength: MIN_WRITE_KEY,
      maxLength: MAX_WRITE_KEY,
      description:
        'Only when it is created. Of LiveLike required: the client secret there, by which its webhooks are signed. Of Segment: default a new one; one that clients have already may be kept.',
    }),
  ),
  mapping: Type.Optional(mappingField),
});
export type SourceFields = Static<typeof SourceFields>;

export const SourceResource = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    kind: kindField,
    trust: trustField,
    endpoint: Type.String({ description: 'What the sending system is given as its host, or the address of webhooks.' }),
    write_key: Type.Optional(Type.String({ description: 'Shown once, when it is created.' })),
    mapping: mappingField,
    problems: Type.Integer({ description: 'How many items were refused or led nowhere so far.' }),
    last_received_at: nullable({ description: 'When it last sent something, to the minute.' }),
    created_at: Timestamp('When it was created.'),
    updated_at: Timestamp('When its fields were last changed.'),
  },
  { $id: 'Source' },
);
export type SourceResource = Static<typeof SourceResource>;

export function presentSource(source: Source, origin: string, writeKey?: string): SourceResource {
  return {
    id: source.id,
    name: source.name,
    kind: source.kind,
    trust: source.trust,
    endpoint: source.kind === 'livelike' ? `${origin}/v1/livelike/${source.id}/` : origin,
    ...(writeKey !== undefined && { write_key: writeKey }),
    mapping: source.mapping,
    problems: source.problems,
    last_received_at: source.last_received_at === null ? null : formatInstant(source.last_received_at),
    created_at: formatInstant(source.created_at),
    updated_at: formatInstant(source.updated_at),
  };
}

export type Outcome = 'taken' | 'refused' | 'not_mapped' | 'cut';

/** An item as it came in, and what became of it. */
export interface SourceItem {
  at: Instant;
  /** The kind of call: `track`, `identify`, …; of LiveLike the event. */
  call: string;
  /** Of the event. */
  name: string | null;
  outcome: Outcome;
  reason: string | null;
  profile_id: string | null;
  custom_id: string | null;
  item: string;
}

export const SourceItemResource = Type.Object(
  {
    at: Timestamp('When it came in.'),
    call: Type.String({ description: '`track`, `identify`, …' }),
    name: nullable({ description: 'Of the event, where it has one.' }),
    outcome: Type.Unsafe<Outcome>({
      type: 'string',
      enum: ['taken', 'refused', 'not_mapped', 'cut'],
      description:
        '`refused`: nothing of it was stored. `not_mapped`: something of it led nowhere. `cut`: stored, without what was too large.',
    }),
    reason: nullable({ description: 'Why; null where it was taken.' }),
    item: Type.String({ description: 'As it came in, its first 2,000 characters.' }),
  },
  { $id: 'SourceItem' },
);
export type SourceItemResource = Static<typeof SourceItemResource>;

export const presentItem = (item: SourceItem): SourceItemResource => ({
  at: formatInstant(item.at),
  call: item.call,
  name: item.name,
  outcome: item.outcome,
  reason: item.reason,
  item: item.item,
});
