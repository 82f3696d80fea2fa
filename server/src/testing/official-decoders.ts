// How strictly LiveLike's clients of phones read the two resources that they start with: which keys, of which types. Written from
// what their published versions read (Android 2.23, iOS 2.21); the type definitions of their JavaScript are in the tests.

/** `?`: may be null or missing. A `url` is one that an iPhone parses: no braces, no blanks. */
type Kind = 'string' | 'string?' | 'url' | 'integer' | 'integer?' | 'boolean?' | 'strings' | 'list';
export type Decoder = Record<string, Kind>;

export const ANDROID_APPLICATION: Decoder = {
  url: 'string',
  name: 'string?',
  client_id: 'string',
  media_url: 'string',
  // Declared as never null, which Gson does not enforce; only chat and widgets take them.
  pubnub_subscribe_key: 'string?',
  pubnub_publish_key: 'string?',
  pubnub_origin: 'string?',
  pubnub_heartbeat_interval: 'integer?',
  pubnub_presence_timeout: 'integer?',
  sendbird_app_id: 'string',
  sendbird_api_endpoint: 'string',
  programs_url: 'string',
  sessions_url: 'string',
  sticker_packs_url: 'string',
  reaction_packs_url: 'string',
  mixpanel_token: 'string',
  analytics_properties: 'strings',
  chat_room_detail_url_template: 'string',
  create_chat_room_url: 'string',
  profile_url: 'string',
  profile_detail_url_template: 'string',
  program_detail_url_template: 'string',
  leaderboard_detail_url_template: 'string',
  badges_url: 'string',
  reward_items_url: 'string',
  user_search_url: 'string',
  chat_rooms_invitations_url: 'string',
  chat_room_invitation_detail_url_template: 'string',
  create_chat_room_invitation_url: 'string',
  profile_chat_room_received_invitations_url_template: 'string',
  profile_chat_room_sent_invitations_url_template: 'string',
  pinned_messages_url: 'string',
  reward_transactions_url: 'string',
  sponsors_url: 'string',
  redemption_keys_url: 'string',
  redemption_key_detail_url_template: 'string',
  redemption_key_detail_by_code_url_template: 'string',
};

export const ANDROID_PROFILE: Decoder = {
  id: 'string',
  nickname: 'string',
  url: 'string',
  chat_room_memberships_url: 'string',
  custom_data: 'string?',
  badges_url: 'string',
  badge_progress_url: 'string',
  reward_item_balances_url: 'string',
  reward_item_transfer_url: 'string',
  subscribe_channel: 'string',
  reported_count: 'integer',
  created_at: 'string',
  block_profile_url: 'string',
  blocked_profiles_template_url: 'string',
  blocked_profile_ids_url: 'string',
  widgets_enabled: 'boolean?',
  chat_enabled: 'boolean?',
};

export const IOS_APPLICATION: Decoder = {
  name: 'string',
  client_id: 'string',
  pubnub_publish_key: 'string?',
  pubnub_subscribe_key: 'string?',
  pubnub_origin: 'string?',
  sessions_url: 'url',
  profile_url: 'url',
  profile_detail_url_template: 'string',
  sticker_packs_url: 'url',
  reaction_packs_url: 'url',
  programs_url: 'url',
  program_detail_url_template: 'string',
  chat_room_detail_url_template: 'string',
  create_chat_room_url: 'string',
  mixpanel_token: 'string?',
  analytics_properties: 'strings',
  organization_id: 'string',
  organization_name: 'string',
  widget_detail_url_template: 'string',
  leaderboard_detail_url_template: 'string',
  badges_url: 'url',
  reward_items_url: 'url',
};

export const IOS_PROFILE: Decoder = {
  id: 'string',
  nickname: 'string',
  chat_room_memberships_url: 'url',
  points: 'integer',
  badges: 'list',
  custom_data: 'string?',
};

const isUrl = (value: unknown): boolean =>
  typeof value === 'string' && URL.canParse(value) && !/[{}\s|\\^`<>"]/.test(value);

const isStrings = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((item) => typeof item === 'string');

const MEETS: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  url: isUrl,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  strings: isStrings,
  list: Array.isArray,
};

/** What such a decoder refuses, `key: kind`; empty where it reads the resource. */
export function refusedBy(decoder: Decoder, resource: Record<string, unknown>): string[] {
  return Object.entries(decoder).flatMap(([key, kind]) => {
    const value = resource[key];
    if (kind.endsWith('?') && (value === null || value === undefined)) return [];
    return MEETS[kind.replace('?', '')]?.(value) === true ? [] : [`${key}: ${kind}`];
  });
}
