// An application: a tenant, known by its client_id. Everything else belongs to one.

import { Type, type Static } from 'typebox';
import type { Instant } from '../instant.ts';
import { notOfferedAddresses, notOfferedFields } from '../not-offered/not-offered.ts';
import { NOT_OFFERED } from './not-offered-addresses.ts';

export interface Application {
  id: number;
  client_id: string;
  name: string;
  /** By its name at the IANA: where days begin in rules. */
  time_zone: string;
  fans_may_search: boolean;
  /** Accepted for client-signed tokens, the newest first. */
  secrets: string[];
  limits: ApplicationLimits;
  created_at: Instant;
}

export type LimitAction = 'warn' | 'refuse';

export interface ApplicationLimit {
  value: number;
  action: LimitAction;
}

export const LIMIT_NAMES = ['max_mau', 'max_profiles_per_day'] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** What is not there has no limit. */
export type ApplicationLimits = Partial<Record<LimitName, ApplicationLimit>>;

export const CLIENT_ID = /^[A-Za-z0-9_-]{4,64}$/;
export const MIN_SECRET_LENGTH = 32;
export const STATISTICS_SHARDS = 16;

const url = (description: string) => Type.String({ format: 'uri', description });
const none = Type.Null({ description: 'Kept for clients that expect the field.' });

/** What LiveLike's clients read beside: those of phones refuse an application in which one of these is missing or null. */
const OfficialFields = {
  program_detail_url_template: Type.String({
    description: 'The answer of which pages take the client id, with `{program_id}`: any id will do.',
  }),
  profile_search_url: Type.String({ description: 'Profiles by the beginning of their nickname, `{search_name}`.' }),
  user_search_url: Type.String({ description: 'The same, as older clients name it.' }),
  organization_id: Type.String({ description: 'The client id: there are no organizations here.' }),
  organization_name: Type.String({ description: 'The application’s name.' }),
  analytics_properties: Type.Object({
    'Internal App ID': Type.String(),
    'Internal App Name': Type.String(),
    'Organization ID': Type.String(),
    'Organization Name': Type.String(),
  }),
  mixpanel_token: Type.Literal(''),
  sendbird_app_id: Type.Literal(''),
  sendbird_api_endpoint: Type.Literal(''),
  agora_app_id: Type.Literal(''),
  api_polling_interval: Type.Integer({ description: 'Seconds.' }),
  autoclaim_interaction_rewards: Type.Literal(false),
  ...notOfferedFields(NOT_OFFERED),
};

const API_POLLING_INTERVAL = 10;

export const ApplicationResource = Type.Object(
  {
    url: url('This resource.'),
    name: Type.String(),
    client_id: Type.String(),
    profile_url: url('POST makes a profile; GET and PATCH work on the profile of the token.'),
    profile_detail_url_template: Type.String({
      description: 'A profile’s own address; put its id in place of `{profile_id}`.',
    }),
    profile_groups_url: url('The profile groups.'),
    profile_group_detail_url_template: Type.String({
      description: 'A profile group’s own address, with `{profile_group_id}`.',
    }),
    profile_by_custom_id_url_template: Type.String({ description: 'A profile by its custom id, with `{custom_id}`.' }),
    profile_profile_groups_url_template: Type.String({ description: 'The groups of a profile, with `{profile_id}`.' }),
    profile_attributes_url: url('The attribute catalogue.'),
    activities_url: url('Where activities are sent.'),
    activity_types_url: url('The activity types.'),
    pubnub_subscribe_key: none,
    pubnub_publish_key: none,
    pubnub_origin: none,
    pubnub_heartbeat_interval: none,
    pubnub_presence_timeout: none,
    ...OfficialFields,
    time_zone: Type.String({
      description: 'Where days begin: dates without a time, in rules and on profiles, are days there.',
    }),
    fans_may_search: Type.Boolean({ description: 'Whether profile tokens may use `profile_search_url`.' }),
  },
  { $id: 'Application' },
);
export type ApplicationResource = Static<typeof ApplicationResource>;

export function presentApplication(application: Application, origin: string): ApplicationResource {
  const root = `${origin}/api/v1`;
  const { client_id: clientId, name, time_zone, fans_may_search } = application;
  const own = `${root}/applications/${clientId}`;
  const search = `${root}/profiles/?client_id=${clientId}&nickname={search_name}`;
  return {
    url: `${own}/`,
    name,
    client_id: clientId,
    profile_url: `${own}/profile/`,
    profile_detail_url_template: `${root}/profiles/{profile_id}/`,
    profile_groups_url: `${own}/profile-groups/`,
    profile_group_detail_url_template: `${own}/profile-groups/{profile_group_id}/`,
    profile_by_custom_id_url_template: `${root}/profile-by-custom-id/${clientId}/{custom_id}/`,
    profile_profile_groups_url_template: `${own}/profiles/{profile_id}/profile-groups/`,
    profile_attributes_url: `${own}/profile-attributes/`,
    activities_url: `${own}/activities/`,
    activity_types_url: `${own}/activity-types/`,
    pubnub_subscribe_key: null,
    pubnub_publish_key: null,
    pubnub_origin: null,
    pubnub_heartbeat_interval: null,
    pubnub_presence_timeout: null,
    program_detail_url_template: `${root}/programs/{program_id}/?client_id=${clientId}`,
    profile_search_url: search,
    user_search_url: search,
    organization_id: clientId,
    organization_name: name,
    analytics_properties: {
      'Internal App ID': clientId,
      'Internal App Name': name,
      'Organization ID': clientId,
      'Organization Name': name,
    },
    mixpanel_token: '',
    sendbird_app_id: '',
    sendbird_api_endpoint: '',
    agora_app_id: '',
    api_polling_interval: API_POLLING_INTERVAL,
    autoclaim_interaction_rewards: false,
    ...notOfferedAddresses(NOT_OFFERED, origin, { client_id: clientId }),
    time_zone,
    fans_may_search,
  };
}
