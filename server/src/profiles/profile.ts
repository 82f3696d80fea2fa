// A profile: one fan of one application. What it is, how it is shown to whom, and the limits of its fields.

import { nullable } from '../http/schemas.ts';
import { Type, type Static, type TObject } from 'typebox';
import { formatInstant, type Instant } from '../instant.ts';
import { notOfferedAddresses, notOfferedFields, type NotOfferedPath } from '../not-offered/not-offered.ts';

export const MAX_CUSTOM_ID = 255;
export const MAX_NICKNAME = 100;
export const MAX_CUSTOM_DATA_BYTES = 65_536;
export const MAX_ATTRIBUTES = 100;
export const MAX_ATTRIBUTE = 200;
export const MAX_BULK = 1000;
export const MIN_DEVICE_KEY = 22;
export const MAX_DEVICE_KEY = 128;

export type Writer = 'admin' | 'profile';

export interface AttributePair {
  key: string;
  value: string;
  written_by: Writer;
}

export interface Profile {
  id: string;
  ordinal: number;
  nickname: string;
  custom_id: string | null;
  /** Since when it has its custom id; null also where that was not kept. */
  custom_id_since: Instant | null;
  custom_data: string | null;
  created_at: Instant;
  updated_at: Instant;
  last_active_at: Instant | null;
  client_tokens_after: Instant | null;
  attributes: AttributePair[];
}

/** As it may be sent. */
export type AttributeValue = string | number | boolean;

export const Attribute = Type.Object(
  {
    key: Type.String({ minLength: 1, maxLength: MAX_ATTRIBUTE }),
    value: Type.Unsafe<AttributeValue>({
      type: ['string', 'number', 'boolean'],
      maxLength: MAX_ATTRIBUTE,
      description: 'Numbers and booleans are kept and answered as text: `12.5` as `"12.5"`, `true` as `"true"`.',
    }),
  },
  { additionalProperties: false, description: 'A key may repeat with another value.' },
);
export const Attributes = Type.Array(Attribute, { maxItems: MAX_ATTRIBUTES });

export const ProfileFields = Type.Object({
  nickname: Type.Optional(
    nullable({
      description: `1 to ${MAX_NICKNAME} characters after trimming. Not given: generated.`,
      examples: ['Final Horse'],
    }),
  ),
  custom_id: Type.Optional(
    nullable({ description: 'Your own id of this fan, unique in the application. Admin tokens only.' }),
  ),
  custom_data: Type.Optional(nullable({ description: 'Anything of yours, at most 64 KiB, kept byte for byte.' })),
  attributes: Type.Optional(Attributes),
});
export type ProfileFields = Static<typeof ProfileFields>;

/** As a fan's app makes a profile. */
export const NewProfileFields = Type.Object({
  ...ProfileFields.properties,
  device_key: Type.Optional(
    nullable({
      description: `A credential: ${MIN_DEVICE_KEY} to ${MAX_DEVICE_KEY} random characters, made once on the device and kept beside the token. Sent again, it gets the profile that it made, with an access token, for as long as the token that was answered with it lives. Not for profiles with a \`custom_id\`.`,
    }),
  ),
});
export type NewProfileFields = Static<typeof NewProfileFields>;

const Key = Type.String({ minLength: 1, maxLength: MAX_ATTRIBUTE });

/** As ProfileFields, where attributes may also be changed one by one. */
export const ProfilePatch = Type.Object({
  ...ProfileFields.properties,
  attributes: Type.Optional(
    // One schema instead of two to choose from, so that what is wrong is named by its place.
    Type.Unsafe<Static<typeof Attributes> | { set?: Static<typeof Attributes>; remove?: string[] }>({
      ...Attributes,
      type: ['array', 'object'],
      properties: { set: Attributes, remove: Type.Array(Key, { maxItems: MAX_ATTRIBUTES }) },
      additionalProperties: false,
      description:
        'A list replaces all attributes. `{"set": [{"key", "value"}], "remove": ["key"]}` changes the keys that it names, and no others: of a key in `set`, the values there replace what it had.',
    }),
  ),
});
export type ProfilePatch = Static<typeof ProfilePatch>;

const timestamp = (description: string) => Type.String({ description, examples: ['2025-04-28T12:16:49.670053Z'] });

const ownFields = {
  id: Type.String({ description: 'UUID.' }),
  url: Type.String(),
  client_id: Type.String(),
  created_at: timestamp('When the profile was made.'),
  updated_at: timestamp('When one of its fields last changed.'),
  last_active_at: nullable({ description: 'Its newest activity, null while it has none.' }),
  nickname: Type.String(),
  custom_id: nullable(),
  custom_data: nullable(),
  attributes: Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
  subscribe_channel: Type.String({ description: 'The name of this profile’s own channel.' }),
};

export const ProfileResource = Type.Object(ownFields, { $id: 'Profile' });
export type ProfileResource = Static<typeof ProfileResource>;

/** The addresses in a profile that lead to what is not offered here, as clients of LiveLike name and read them. */
const NOT_OFFERED = {
  chat_room_memberships_url: 'chat-rooms/memberships/{profile_id}/',
  badges_url: 'badges/of/{profile_id}/',
  badge_progress_url: 'badges/progress/{profile_id}/',
  earned_badges_url: 'badges/earned/{profile_id}/',
  reward_item_balances_url: 'rewards/balances/{profile_id}/',
  reward_item_transfer_url: 'rewards/transfers/{profile_id}/',
  reward_item_credit_url: 'rewards/credits/{profile_id}/',
  reward_item_debit_url: 'rewards/debits/{profile_id}/',
  block_profile_url: 'profile-blocks/',
  blocked_profiles_template_url: 'profile-blocks/?blocked_profile_id={blocked_profile_id}',
  blocked_profile_ids_url: 'profile-blocks/ids/',
  leaderboards_url: 'leaderboards/of/{profile_id}/',
  leaderboard_views_url: 'leaderboards/views-of/{profile_id}/',
} as const satisfies Record<string, NotOfferedPath>;

/** Those of phones refuse a profile in which one of these is missing. */
const officialFields = {
  reported_count: Type.Literal(0),
  points: Type.Literal(0),
  badges: Type.Array(Type.Null(), { maxItems: 0, description: 'None.' }),
  widgets_enabled: Type.Literal(false),
  chat_enabled: Type.Literal(false),
  ...notOfferedFields(NOT_OFFERED),
};

/** As one profile is answered; lists leave out what only clients of LiveLike read, of their own profile. */
export const ProfileDetailResource = Type.Object(
  { ...ownFields, ...officialFields },
  { $id: 'ProfileDetail', description: 'A profile, with all that clients of LiveLike read of it.' },
);
export type ProfileDetailResource = Static<typeof ProfileDetailResource>;

export const NewProfileResource = Type.Object(
  {
    ...ownFields,
    ...officialFields,
    access_token: Type.String({ description: 'The credential of this profile. Shown here and nowhere else: keep it.' }),
  },
  { $id: 'NewProfile' },
);

export const PublicProfileResource = Type.Object(
  {
    id: ownFields.id,
    nickname: ownFields.nickname,
    created_at: ownFields.created_at,
    url: ownFields.url,
    attributes: ownFields.attributes,
    ...notOfferedFields(NOT_OFFERED),
  },
  { $id: 'PublicProfile', description: 'What other profiles may see.' },
);
export type PublicProfileResource = Static<typeof PublicProfileResource>;

/** Of a profile that may be somebody else’s. */
export const orPublic = <T extends TObject>({ properties }: T) =>
  Type.Unsafe<Static<T> | PublicProfileResource>({
    type: 'object',
    description: 'For other profiles only `id`, `nickname`, `created_at`, `url` and public attributes.',
    properties,
    required: ['id', 'url', 'created_at', 'nickname', 'attributes'],
  });

const bare = (pairs: AttributePair[]): { key: string; value: string }[] =>
  pairs.map(({ key, value }) => ({ key, value }));

/** The whole profile, for itself (without `admin` attributes, which `hidden` names) and for admins. */
export function presentProfile(
  profile: Profile,
  clientId: string,
  origin: string,
  hidden: (key: string) => boolean = () => false,
): ProfileResource {
  return {
    id: profile.id,
    url: `${origin}/api/v1/profiles/${profile.id}/`,
    client_id: clientId,
    created_at: formatInstant(profile.created_at),
    updated_at: formatInstant(profile.updated_at),
    last_active_at: profile.last_active_at === null ? null : formatInstant(profile.last_active_at),
    nickname: profile.nickname,
    custom_id: profile.custom_id,
    custom_data: profile.custom_data,
    attributes: bare(profile.attributes.filter((pair) => !hidden(pair.key))),
    subscribe_channel: `profile.${profile.id}`,
  };
}

export const presentProfileDetail = (
  ...[profile, clientId, origin, hidden]: Parameters<typeof presentProfile>
): ProfileDetailResource => ({
  ...presentProfile(profile, clientId, origin, hidden),
  reported_count: 0,
  points: 0,
  badges: [],
  widgets_enabled: false,
  chat_enabled: false,
  ...notOfferedAddresses(NOT_OFFERED, origin, { profile_id: profile.id }),
});

export function presentPublicProfile(
  profile: Profile,
  origin: string,
  isPublic: (key: string) => boolean,
): PublicProfileResource {
  return {
    id: profile.id,
    nickname: profile.nickname,
    created_at: formatInstant(profile.created_at),
    url: `${origin}/api/v1/profiles/${profile.id}/`,
    attributes: bare(profile.attributes.filter((pair) => isPublic(pair.key))),
    ...notOfferedAddresses(NOT_OFFERED, origin, { profile_id: profile.id }),
  };
}
