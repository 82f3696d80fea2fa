// Usage: how many fans were active, new and coming back, as metered plans count them. Shapes and limits.

import { Type, type Static } from 'typebox';
import { Timestamp } from '../http/schemas.ts';

export type UsageInterval = 'day' | 'week' | 'month';

/** So many rows are given at once. */
export const MAX_ROWS = 400;
/** Usage looks back so far. */
export const MAX_DAYS = 1_100;
/** By default so many rows, the present one included. */
export const DEFAULT_ROWS: Record<UsageInterval, number> = { day: 30, week: 13, month: 12 };
/** Weeks after the one of its creation that a cohort is followed. */
export const COHORT_WEEKS = 12;
/** So many profiles of one network within an hour are a burst. */
export const BURST = 10;

const count = (description: string) => Type.Integer({ description });

export const UsageRow = Type.Object({
  at: Timestamp('The start of the interval, UTC; weeks begin on Mondays.'),
  active: count('Profiles with an activity that occurred in it, each once.'),
  new: count('Profiles that were made in it.'),
  returning: count('Active profiles that were made before it.'),
  activities: count('Activities that occurred in it.'),
  total: count('Profiles at its end.'),
  active_7d: count('Profiles active within the seven days up to its end, whole days.'),
  active_30d: count('Profiles active within the thirty days up to its end: MAU as LiveLike counts it.'),
});
export type UsageRow = Static<typeof UsageRow>;

export const UsageResource = Type.Object(
  {
    interval: Type.Unsafe<UsageInterval>({ type: 'string', enum: ['day', 'week', 'month'] }),
    since: Timestamp('The start of the first interval.'),
    until: Timestamp('Up to when was counted; the last interval may not be over.'),
    results: Type.Array(UsageRow),
  },
  { $id: 'Usage' },
);
export type UsageResource = Static<typeof UsageResource>;

export const RetentionResource = Type.Object(
  {
    until: Timestamp('Up to when was counted.'),
    results: Type.Array(
      Type.Object({
        week: Timestamp('The Monday of the week in which these profiles were made.'),
        profiles: count('How many there are.'),
        active: Type.Array(Type.Integer(), {
          description: `Of them, active in that week, the next one, and so on, at most ${COHORT_WEEKS + 1} weeks. The last one may not be over.`,
        }),
      }),
    ),
  },
  { $id: 'Retention' },
);
export type RetentionResource = Static<typeof RetentionResource>;

export const DuplicatesResource = Type.Object(
  {
    until: Timestamp('Up to when was counted.'),
    results: Type.Array(
      Type.Object({
        at: Timestamp('The day, UTC.'),
        new: count('Profiles that were made on it.'),
        single_day: count('Of them, never active on a later day: what an app that forgets its tokens leaves behind.'),
        recovered: count(
          'Calls to make a profile that a device key answered with the one it had made: so many more there would be.',
        ),
      }),
    ),
    bursts: Type.Array(
      Type.Object({
        at: Timestamp('The start of the hour.'),
        network: Type.String({
          description: 'A name for the network, the same each time; the address itself is not kept.',
        }),
        profiles: count('Profiles made from it in that hour.'),
        without_activity: count('Of them, without any activity.'),
      }),
      { description: `Networks from which ${BURST} profiles or more were made within an hour, the largest first.` },
    ),
  },
  { $id: 'Duplicates' },
);
export type DuplicatesResource = Static<typeof DuplicatesResource>;
