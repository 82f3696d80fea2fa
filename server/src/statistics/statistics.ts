// The overview of an application: what it holds, what happens in it, and whether its groups are right.

import { Type, type Static } from 'typebox';
import { Timestamp, nullable } from '../http/schemas.ts';

/** So many days and minutes are given, the present ones included. */
export const DAYS = 30;
export const MINUTES = 60;
/** So many groups of each kind. */
export const GROUPS = 5;
/** Verifications count for so long. */
export const VERIFIED_DAYS = 7;

const DayResource = Type.Object({
  day: Timestamp('Its start, UTC.'),
  new_profiles: Type.Integer({ description: 'Profiles that were made on it.' }),
  active_profiles: Type.Integer({ description: 'Profiles with an activity that occurred on it, each once.' }),
  activities: Type.Integer({ description: 'Activities that occurred on it.' }),
  counted_at: nullable({
    description:
      'When this was counted; null if not yet. A day is counted again soon after something of it came in, and once a day.',
  }),
});

const groupFields = {
  group_id: Type.String(),
  name: Type.String(),
  membership_type: Type.Unsafe<'static' | 'dynamic'>({ type: 'string', enum: ['static', 'dynamic'] }),
  profile_count: Type.Integer(),
};

export const StatisticsResource = Type.Object(
  {
    measured_at: Timestamp('When this answer was made.'),
    profiles: Type.Object({ count: Type.Integer({ description: 'All profiles, to this instant.' }) }),
    days: Type.Array(DayResource, { description: `The last ${DAYS} days upwards, today at the end.` }),
    activities: Type.Object({
      last_minute: Type.Integer({ description: 'Received in the 60 seconds before `measured_at`.' }),
      minutes: Type.Array(Type.Object({ at: Timestamp('The start of the minute.'), activities: Type.Integer() }), {
        description: `Received in each of the last ${MINUTES} minutes, upwards; the one at the end is not over.`,
      }),
    }),
    groups: Type.Object({
      static: Type.Integer({ description: 'Active static groups.' }),
      dynamic: Type.Integer({ description: 'Active dynamic groups.' }),
      largest: Type.Array(Type.Object(groupFields), { description: `Up to ${GROUPS}.` }),
      fastest: Type.Array(Type.Object({ ...groupFields, entered: Type.Integer(), left: Type.Integer() }), {
        description: `Up to ${GROUPS}, by how many profiles entered and left within the last 24 hours.`,
      }),
    }),
    evaluation: Type.Object({
      as_of: nullable({
        description: 'The instant up to which all dynamic groups are right; null before the first evaluation.',
      }),
      queue: Type.Object({
        count: Type.Integer({
          description:
            'Changes that wait to be evaluated; counted up to 100,000, and as many again of those that time made.',
        }),
        oldest_at: nullable({ description: 'When the one that waits longest was queued.' }),
      }),
      filling: Type.Integer({ description: 'Groups that are being filled.' }),
      failed: Type.Integer({ description: 'Groups whose filling failed; it is tried again.' }),
      paused: Type.Integer({ description: 'Paused groups.' }),
      verification: Type.Unsafe<Verification | null>({
        type: ['object', 'null'],
        description: `The newest verification of each group within ${VERIFIED_DAYS} days, added up; null if there was none.`,
        properties: {
          at: { type: 'string', description: 'The newest of them.' },
          groups: { type: 'integer', description: 'Groups that were verified.' },
          checked: { type: 'integer', description: 'Memberships that were compared.' },
          missing: { type: 'integer', description: 'Members that were missing: 0, or the promise does not hold.' },
          extra: { type: 'integer', description: 'Members that were too many: 0, or the promise does not hold.' },
        },
        required: ['at', 'groups', 'checked', 'missing', 'extra'],
      }),
    }),
    warnings: Type.Array(
      Type.Object({
        check: Type.String({ description: 'Stable: `public-url`.' }),
        what: Type.String(),
        why: Type.String(),
        action: Type.String({ description: 'What to do.' }),
      }),
      {
        description: 'What `grandstand doctor` would say of this installation. For signed-in owners; others get none.',
      },
    ),
  },
  { $id: 'Statistics' },
);
export type StatisticsResource = Static<typeof StatisticsResource>;

export interface Verification {
  at: string;
  groups: number;
  checked: number;
  missing: number;
  extra: number;
}
