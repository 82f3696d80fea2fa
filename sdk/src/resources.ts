// The server's resources as a fan's own token sees them. Newer servers may send further fields.

import type { AttributePatch } from './attributes.ts';

/** A named fact about a profile. A key may stand several times, with different values. */
export interface AttributePair {
  key: string;
  value: string;
}

/** As it may be sent: numbers and booleans are kept and answered as text. */
export interface SentPair {
  key: string;
  value: string | number | boolean;
}

/** A fan. Instants are ISO 8601 in UTC. */
export interface Profile {
  /** UUID. */
  id: string;
  url: string;
  client_id: string;
  created_at: string;
  updated_at: string;
  /** The newest activity, null while there is none. */
  last_active_at: string | null;
  nickname: string;
  /** The application's own id of this fan, set by its back end. */
  custom_id: string | null;
  /** Anything of the application's, kept byte for byte. */
  custom_data: string | null;
  attributes: AttributePair[];
  subscribe_channel: string;
}

/** A profile together with the credential that speaks for it. */
export interface OwnProfile extends Profile {
  access_token: string;
}

/** What other profiles may see of a profile. */
export interface PublicProfile {
  id: string;
  url: string;
  created_at: string;
  nickname: string;
  attributes: AttributePair[];
}

/** What a profile may say about itself. */
export interface ProfileOptions {
  /** 1 to 100 characters. Not given at creation: the server makes one up. */
  nickname?: string;
  /** At most 64 KiB. */
  custom_data?: string | null;
  attributes?: SentPair[];
}

/** What a profile may change about itself. */
export interface ProfileChanges extends Omit<ProfileOptions, 'attributes'> {
  /** A list replaces all attributes that a profile may write; a patch changes the keys that it names. */
  attributes?: SentPair[] | AttributePatch;
}

/** A group that a profile is a member of. */
export interface ProfileGroupMembership {
  group_id: string;
  group_name: string;
  profile_count: number;
  is_active: boolean;
  created_at: string;
  custom_id: string | null;
}

/** One page of a list. */
export interface Page<T> {
  /** Of the whole list; null where the server was asked not to count. */
  count: number | null;
  next: string | null;
  previous: string | null;
  results: T[];
}
