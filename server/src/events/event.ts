// What happens to profiles and groups, beside membership, as their feeds and webhooks tell it. Whoever changes one records
// the event in the transaction of the change (`recordEvents`). Of a profile an event holds the id and names of fields,
// never their values: what must go when a fan is erased would stay here.

import { Type, type Static } from 'typebox';
import { nullable, Timestamp } from '../http/schemas.ts';
import type { Instant } from '../instant.ts';

export const PROFILE_EVENTS = ['profile.created', 'profile.updated', 'profile.erased', 'profile.merged'] as const;
export const GROUP_EVENTS = ['group.created', 'group.updated', 'group.deleted', 'evaluation.failed'] as const;
export type ProfileEventName = (typeof PROFILE_EVENTS)[number];
export type GroupEventName = (typeof GROUP_EVENTS)[number];

/** Two feeds an application, each numbered by itself. */
export type Feed = 'profile' | 'group';

interface Happened {
  applicationId: number;
  /** Of one profile or group never the same twice, and never backwards: the `updated_at` that comes with it. */
  at: Instant;
}

export interface ProfileEvent extends Happened {
  event: ProfileEventName;
  profileId: string;
  /** Of an update: `nickname`, `custom_id`, `custom_data`, `attributes.<key>`. */
  changed?: string[];
  /** Of a merge: the profile that stays. */
  into?: string;
}

export interface GroupEvent extends Happened {
  event: GroupEventName;
  groupId: string;
  name: string;
  customId: string | null;
  /** Of an update: the fields of the group. */
  changed?: string[];
  /** Of an evaluation that failed. */
  error?: string;
}

export interface ProfileEventData {
  changed?: string[];
  into?: string;
}

export interface GroupEventData {
  name: string;
  custom_id: string | null;
  changed?: string[];
  error?: string;
}

/** A row of `events`. */
export interface StoredEvent<Data = ProfileEventData | GroupEventData> {
  sequence: number;
  event: string;
  subject_id: string;
  data: Data | null;
  at: Instant;
}

/** So many parts of the profiles' feed can be read beside each other, the events of one profile all in one. */
export const LANES = 8;

/** The last bits of an id are random. */
export const laneOf = (feed: Feed, subjectId: string): number =>
  feed === 'group' ? 0 : Number.parseInt(subjectId.slice(-2), 16) % LANES;

export const ProfileChangeResource = Type.Object(
  {
    sequence: Type.Integer({ description: 'From 1, without gaps.' }),
    event: Type.Unsafe<ProfileEventName>({ type: 'string', enum: [...PROFILE_EVENTS] }),
    profile_id: Type.String(),
    custom_id: nullable({ description: 'The custom id that the profile has now; null once it was erased.' }),
    at: Timestamp('When it happened.'),
    changed: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Of an update: `nickname`, `custom_id`, `custom_data`, and `attributes.` with each key.',
      }),
    ),
    into: Type.Optional(Type.String({ description: 'Of a merge: the profile that stays.' })),
  },
  { $id: 'ProfileChange' },
);
export type ProfileChangeResource = Static<typeof ProfileChangeResource>;
