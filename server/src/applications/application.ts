// An application: a tenant, known by its client_id. Everything else belongs to one.

import { Type, type Static } from 'typebox';
import type { Instant } from '../instant.ts';

export interface Application {
  id: number;
  client_id: string;
  name: string;
  /** Accepted for client-signed tokens, the newest first. */
  secrets: string[];
  created_at: Instant;
}

export const CLIENT_ID = /^[A-Za-z0-9_-]{4,64}$/;
export const MIN_SECRET_LENGTH = 32;
export const STATISTICS_SHARDS = 16;

const url = (description: string) => Type.String({ format: 'uri', description });
const none = Type.Null({ description: 'Kept for clients that expect the field.' });

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
  },
  { $id: 'Application' },
);
export type ApplicationResource = Static<typeof ApplicationResource>;

export function presentApplication(application: Application, origin: string): ApplicationResource {
  const root = `${origin}/api/v1`;
  const own = `${root}/applications/${application.client_id}`;
  return {
    url: `${own}/`,
    name: application.name,
    client_id: application.client_id,
    profile_url: `${own}/profile/`,
    profile_detail_url_template: `${root}/profiles/{profile_id}/`,
    profile_groups_url: `${own}/profile-groups/`,
    profile_group_detail_url_template: `${own}/profile-groups/{profile_group_id}/`,
    profile_by_custom_id_url_template: `${root}/profile-by-custom-id/${application.client_id}/{custom_id}/`,
    profile_profile_groups_url_template: `${own}/profiles/{profile_id}/profile-groups/`,
    profile_attributes_url: `${own}/profile-attributes/`,
    activities_url: `${own}/activities/`,
    activity_types_url: `${own}/activity-types/`,
    pubnub_subscribe_key: null,
    pubnub_publish_key: null,
    pubnub_origin: null,
    pubnub_heartbeat_interval: null,
    pubnub_presence_timeout: null,
  };
}
