// What an application may grow to: `max_mau` and `max_profiles_per_day`, each of which warns or refuses. What is asked, shown
// and said.

import { Type, type Static } from 'typebox';
import type { ApplicationLimit, LimitName } from '../applications/application.ts';
import { ApiError } from '../errors.ts';
import { nullable, Timestamp } from '../http/schemas.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND, startOfDay, type Instant } from '../instant.ts';

const MAX_VALUE = 1_000_000_000_000;

const limit = (description: string) =>
  Type.Optional(
    // One type keyword, so that a wrong value gets one message.
    Type.Unsafe<{ value: number; action?: ApplicationLimit['action'] } | null>({
      type: ['object', 'null'],
      properties: {
        value: { type: 'integer', minimum: 1, maximum: MAX_VALUE },
        action: {
          type: 'string',
          enum: ['warn', 'refuse'],
          description: '`warn` (default): owners are told, nothing is refused. `refuse`: new profiles are 429.',
        },
      },
      required: ['value'],
      additionalProperties: false,
      description: `${description} null: no limit.`,
    }),
  );

export const ApplicationChange = Type.Object({
  time_zone: Type.Optional(Type.Unknown({ description: 'A text.', examples: ['Europe/Madrid'] })),
  fans_may_search: Type.Optional(
    Type.Boolean({ description: 'Whether profile tokens may look for other fans by nickname. Default: no.' }),
  ),
  limits: Type.Optional(
    Type.Object(
      {
        max_mau: limit('Fans active within 30 days, as `active_30d` of the usage counts them.'),
        max_profiles_per_day: limit('Profiles that apps and sources make on one day, UTC.'),
      },
      {
        additionalProperties: false,
        description: 'A limit that is not named stays as it is.',
        examples: [{ max_profiles_per_day: { value: 100_000, action: 'warn' } }],
      },
    ),
  ),
});
export type AskedLimits = NonNullable<Static<typeof ApplicationChange>['limits']>;

const state = (used: string, endsAt: string) =>
  Type.Unsafe<LimitState | null>({
    type: ['object', 'null'],
    properties: {
      value: Type.Integer(),
      action: Type.String({ enum: ['warn', 'refuse'] }),
      used: Type.Integer({ description: used }),
      is_reached: Type.Boolean(),
      ends_at: nullable({ description: endsAt }),
      refused_today: Type.Integer({
        description: 'Profiles that were not made on this day for any limit, up to a few seconds ago.',
      }),
    },
    required: ['value', 'action', 'used', 'is_reached', 'ends_at', 'refused_today'],
    description: 'null: no limit.',
  });

export interface LimitState extends ApplicationLimit {
  used: number;
  is_reached: boolean;
  ends_at: string | null;
  refused_today: number;
}

export const LimitsResource = Type.Object(
  {
    at: Timestamp('Up to when was counted.'),
    max_mau: state(
      'Fans active within 30 days.',
      'The next instant at which the figure can fall by itself, once it is reached.',
    ),
    max_profiles_per_day: state(
      'Profiles made today, since there is this limit and without those that admin tokens and producers made or brought in.',
      'When the day ends, once it is reached.',
    ),
  },
  { $id: 'Limits' },
);
export type LimitsResource = Static<typeof LimitsResource>;

export const UpdatedApplication = Type.Object({
  ...LimitsResource.properties,
  time_zone: Type.String({ description: 'Where its days begin.' }),
  fans_may_search: Type.Boolean({ description: 'Whether profile tokens may look for other fans by nickname.' }),
});
export type UpdatedApplication = Static<typeof UpdatedApplication>;

/** The next day, UTC. */
export const endOfDay = (now: Instant): Instant => startOfDay(now) + MICROS_PER_DAY;

const WHO = 'An owner of the application, or a full admin token, may raise it.';
const number = new Intl.NumberFormat('en');

/** 429: which limit, until when, and who can do something about it. */
export function limitReached(name: LimitName, { value }: ApplicationLimit, now: Instant): ApiError {
  const endsAt = endOfDay(now);
  const at = formatInstant(endsAt);
  const detail =
    name === 'max_mau'
      ? `This application may have ${number.format(value)} active fans within 30 days (max_mau), and has them: profiles that there are go on, new ones are refused. The figure can fall from ${at} on. ${WHO}`
      : `This application makes at most ${number.format(value)} profiles a day (max_profiles_per_day), and today’s are made. It goes on at ${at}. ${WHO}`;
  return new ApiError('throttled', {
    detail,
    retryAfter: (endsAt - now) / MICROS_PER_SECOND,
    data: { limit: name, value, ends_at: at },
  });
}
