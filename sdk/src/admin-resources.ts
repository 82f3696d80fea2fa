// The server's resources as an admin token sees them.

import type { AttributePatch } from './attributes.ts';
import type { AttributePair, Page, Profile, ProfileOptions, ProfileChanges, SentPair } from './resources.ts';
import type { Evaluation, RuleTree, Ruleset } from './rules.ts';

export interface AdminProfileOptions extends ProfileOptions {
  /** Your own id of the fan, unique in the application. */
  custom_id?: string | null;
}

export interface NewProfileOptions extends AdminProfileOptions {
  /** A credential of a device: 22 to 128 random characters. The profile that it made is answered again. Without a `custom_id`. */
  device_key?: string;
}

/** A profile of `profiles.upsert`, by its id or its custom id. */
export interface UpsertProfile extends Omit<AdminProfileOptions, 'attributes'> {
  /** A UUID, which a new profile keeps: as another system had it. */
  id?: string | null;
  /** One that another system gave this fan. It goes on working here, and is kept as a hash. */
  access_token?: string | null;
  /** Of a new profile; default: now. */
  created_at?: string | null;
  /** A list replaces all; a patch changes the keys that it names. */
  attributes?: SentPair[] | AttributePatch;
}

/** What an admin token may change about a profile. */
export interface AdminProfileChanges extends ProfileChanges {
  custom_id?: string | null;
}

export interface MergeOptions {
  /** The profile that stays: its id, or `custom:…`. */
  into: string;
  /** What becomes of the tokens of the other one. Default `revoke`. */
  tokens?: 'follow' | 'revoke';
  /** Also where both have a `custom_id`: that of the merged profile then leads to the other one. */
  force?: boolean;
  dryRun?: boolean;
}

/** That one profile became part of another. */
export interface Merge {
  /** The id that was merged; it leads to the profile. */
  id: string;
  into: string;
  /** `merging` while a long history is still being brought over in the background; everything reads as if that were done. */
  state: 'merging' | 'merged' | (string & {});
  /** How much of that is done, from 0 to 1. */
  progress: number;
  merged_at: string;
  /** `token:<name>`, `producer:<email>` or `profile`. */
  merged_by: string;
  /** Of the merged profile, where the profile has one of its own. */
  custom_id: string | null;
  /** That came along. */
  activities: number;
  /** Whose ids both had: the profile's own stayed. */
  duplicates: number;
}

export interface MergedProfile extends Merge {
  /** Ids of the groups that the profile entered and left by it. */
  groups: { entered: string[]; left: string[] };
  /** Pairs that found no room in the profile. */
  attributes_left_out: number;
  profile: Profile;
}

export interface ProfileGroup {
  id: string;
  name: string;
  is_active: boolean;
  description: string;
  profile_count: number;
  custom_id: string | null;
  created_at: string;
  attributes: AttributePair[];
  membership_type: 'static' | 'dynamic' | (string & {});
  updated_at: string;
  visible_to_members: boolean;
  /** Of a dynamic group: the rule saved last. */
  ruleset?: Ruleset | null;
  /** Of a dynamic group: frozen; pins still act. */
  is_paused?: boolean;
  evaluation?: Evaluation | null;
}

export interface ProfileGroupOptions {
  name?: string;
  description?: string;
  is_active?: boolean;
  custom_id?: string | null;
  attributes?: AttributePair[];
  /** Whether the members' own tokens see the group. Default true. */
  visible_to_members?: boolean;
  /** Of a dynamic group. */
  rule_tree?: RuleTree;
  is_paused?: boolean;
}

export interface NewProfileGroup extends ProfileGroupOptions {
  name: string;
  membership_type?: 'static' | 'dynamic';
}

export interface Member {
  id: string;
  /** Null only with `as_of`, of a profile that was erased since. */
  nickname: string | null;
  custom_id: string | null;
  membership_created_at: string;
}

export interface MemberFilter {
  /** An instant of the past: who was a member then. */
  as_of?: string;
  /** Begins with it, in any case; of groups of up to 10,000 members. */
  nickname?: string;
  /** Those whose nickname has words that start with these, in any case, or whose custom id starts with this. */
  search?: string;
  /** Default: newest entry first. By nickname, and with a search, only groups of up to 10,000 members. */
  ordering?: 'membership_created_at' | '-membership_created_at' | 'nickname' | '-nickname';
}

/** One kind of ids, 1 to 10,000. */
export type MemberIds = { profile_ids: string[] } | { custom_ids: string[] };

export interface AddedMembers {
  successfully_added: string[];
  already_added: string[];
  invalid_ids: string[];
}

export type ImportKind = 'profiles' | 'activities' | 'members';

/** A file that is read in. */
export interface Import {
  id: string;
  url: string;
  of: ImportKind | (string & {});
  state: 'receiving' | 'queued' | 'running' | 'done' | 'failed' | (string & {});
  rows: number;
  /** Rows that made or changed something. */
  accepted: number;
  /** Rows that are there already as they stand in the file. */
  duplicates: number;
  rejected: number;
  dry_run: boolean;
  name: string;
  /** Of CSV: the field that each column was taken for, by its number from 1. */
  columns: Record<string, string> | null;
  created_at: string;
  created_by: string;
  finished_at: string | null;
  last_error: string | null;
  rejected_url: string;
  /** Of one import, not in lists: the first 20 rejected rows by line. */
  first_rejected?: { line: number; reason: string; row: string }[];
}

export interface ImportFileOptions {
  /** Of members: the static group. Else a column `group_id` says it. */
  group?: string;
  /** Of members: what the ids are, where the header does not say so. */
  ids?: 'profile_id' | 'custom_id';
  /** Of members the header of the column with the ids, else `<field>:<header>`. */
  column?: string | string[];
  /** False: a CSV of members without a header. */
  header?: boolean;
  /** Columns whose header is not known are left out. */
  ignore_unknown?: boolean;
  /** Judges the rows and stores nothing. */
  dry_run?: boolean;
  /** Of the file. */
  name?: string;
}

/** How a file would be read. */
export interface FilePreview {
  format: 'csv' | 'ndjson' | (string & {});
  delimiter: string | null;
  columns: { header: string; field: string | null; known: boolean }[];
  rows: string[][];
}

export type ExportKind = 'profiles' | 'activities' | 'members' | 'changes';

export interface ExportOptions {
  format?: 'csv' | 'ndjson';
  /** Of members and changes: of one group. */
  group?: string;
  /** Of activities: only of this type. */
  type?: string;
  /** Of activities: happened at or after it. */
  since?: string;
  /** Of activities: happened before it. */
  until?: string;
  /** A line at the end says that it is whole, and how many rows there were. */
  last_line?: boolean;
}

/** All that is stored about one profile. */
export interface ProfileExport {
  exported_at: string;
  profile: Profile;
  access_tokens: { id: string; created_at: string }[];
  /** That there are some, by the access token that came with each; never the keys. */
  device_keys: { access_token_id: string }[];
  merged_profiles: { id: string; custom_id: string | null; merged_at: string }[];
  groups: { group_id: string; name: string | null; custom_id: string | null; member_since: string | null }[];
  group_changes: { group_id: string; sequence: number; change: string; at: string | null; cause: string }[];
  /** Not for the fan. */
  pins?: { group_id: string; pin: string; reason: string; expires_at: string | null; created_at: string }[];
  profile_changes: { event: string; at: string; changed?: string[] }[];
  /** What is kept of what sources sent about the fan lately; for the fan without source, reason and text. */
  source_items: {
    source?: string;
    at: string;
    call: string;
    name: string | null;
    outcome: string;
    reason?: string | null;
    item?: string;
  }[];
  /** For the fan: how much is for administrators only. */
  withheld?: Record<string, number>;
  activities: StoredActivity[];
}

/** What may have to be said of a list of ids that is a file. */
export interface IdFileOptions {
  /** What the ids are. Of JSON strings `profile_id` unless told otherwise; CSV says it by its header. */
  ids?: 'profile_id' | 'custom_id';
  /** Of CSV whose header is another one: the header of the column that holds the ids. */
  column?: string;
  /** False: the CSV has no header; then `ids` is required, and `column` is a number from 1. */
  header?: boolean;
}

export interface ReplaceOptions extends IdFileOptions {
  /** Per cent of the ids that may name no profile. Default 10. */
  max_invalid?: number;
  /** Whatever the ids are. So an empty list empties the group. */
  allow_invalid?: boolean;
}

export interface ReplacedMembers {
  added: number;
  removed: number;
  unchanged: number;
  invalid_count: number;
  /** The first thousand. */
  invalid_ids: string[];
}

export interface ProfileAttribute {
  key: string;
  label: string;
  description: string;
  category: string;
  type: 'string' | 'number' | 'boolean' | 'datetime' | 'list' | (string & {});
  conditions: string[];
  supports_window: boolean;
  missing: unknown;
  choices?: unknown[] | null;
  unit?: string | null;
  source: 'platform' | 'custom' | (string & {});
  writable_by: 'admin' | 'profile' | (string & {});
  visible_to: 'admin' | 'owner' | 'public' | (string & {});
  derived_from?: Record<string, unknown> | null;
  /** False while past activities are still being read into a new definition. */
  ready?: boolean;
}

/** All of an application's attributes, with what a rule builder needs besides. */
export interface AttributeCatalogue {
  count: number;
  results: ProfileAttribute[];
  /** What rules may read beside the catalogue: `profile_group` and `random_bucket`. */
  leaves: ProfileAttribute[];
  conditions: {
    condition: string;
    label: string;
    value: 'one' | 'range' | 'list' | 'days' | 'boolean' | 'none' | (string & {});
  }[];
}

export interface ProfileAttributeOptions {
  key?: string;
  label?: string;
  description?: string;
  category?: string;
  type?: 'string' | 'number' | 'boolean' | 'datetime' | 'list';
  unit?: string | null;
  choices?: unknown[] | null;
  writable_by?: 'admin' | 'profile';
  visible_to?: 'admin' | 'owner' | 'public';
  derived_from?: Record<string, unknown>;
}

/** What a profile did; `id` makes sending it again harmless. */
export interface NewActivity {
  id: string;
  type: string;
  profile_id?: string;
  custom_id?: string;
  occurred_at?: string;
  value?: number;
  data?: Record<string, unknown>;
  /** `profile`, to bring back what a profile sent: its ids and those of admins are apart. Default: who sends. */
  sent_by?: 'admin' | 'profile';
}

export interface StoredActivity {
  id: string;
  type: string;
  profile_id: string;
  occurred_at: string;
  received_at: string;
  value: number;
  data: Record<string, unknown> | null;
  /** Whose id it is: a profile's own token and admins have each their own. */
  sent_by: 'admin' | 'profile';
}

export interface ActivityCounts {
  interval: 'hour' | 'day';
  since: string;
  until: string;
  /** One row an hour or day, upwards; `sum` adds the values. */
  results: { at: string; count: number; sum: number }[];
}

export interface AcceptedActivities {
  accepted: number;
  duplicates: number;
  rejected: { index: number; id: string | null; errors: Record<string, string[]> }[];
}

export interface ActivityType {
  type: string;
  label: string;
  /** Whether a fan's own token may send it. */
  client: boolean;
  /** False: an admin sent it, and nobody registered it. */
  registered: boolean;
  source: 'platform' | 'custom' | (string & {});
}

export interface BulkResult {
  index: number;
  custom_id: string | null;
  status: 'created' | 'updated' | 'unchanged' | 'rejected' | (string & {});
  id: string | null;
  access_token?: string;
  errors?: Record<string, string[]>;
}

export interface Application {
  url: string;
  name: string;
  client_id: string;
  [key: string]: string | number | null;
}

/** The overview of an application. */
export interface Statistics {
  measured_at: string;
  profiles: { count: number };
  /** The last 30 days (UTC) upwards, today at the end; counted in the background, each when it says. */
  days: {
    day: string;
    new_profiles: number;
    active_profiles: number;
    activities: number;
    counted_at: string | null;
  }[];
  activities: {
    /** Received in the 60 seconds before `measured_at`. */
    last_minute: number;
    /** The last 60 upwards; the one at the end is not over. */
    minutes: { at: string; activities: number }[];
  };
  groups: {
    static: number;
    dynamic: number;
    largest: GroupSize[];
    /** By how many entered and left within 24 hours. */
    fastest: (GroupSize & { entered: number; left: number })[];
  };
  evaluation: {
    /** All dynamic groups are right up to this instant. */
    as_of: string | null;
    queue: { count: number; oldest_at: string | null };
    filling: number;
    failed: number;
    paused: number;
    /** The newest verification of each group within a week, added up. */
    verification: { at: string; groups: number; checked: number; missing: number; extra: number } | null;
  };
  /** What `grandstand doctor` would say of the installation; only signed-in owners are told. */
  warnings: { check: string; what: string; why: string; action: string }[];
}

export interface GroupSize {
  group_id: string;
  name: string;
  membership_type: 'static' | 'dynamic' | (string & {});
  profile_count: number;
}

export interface AdminToken {
  id: string;
  name: string;
  hint: string;
  read_only: boolean;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  /** `token:<name>` or `producer:<email>`; null: the server's own start or command line. It ends with a token that made it. */
  created_by: string | null;
}

export interface ProfileFilter {
  /** At most 100. */
  id?: string[];
  /** Begins with it, in any case. */
  nickname?: string;
  /** The nickname has words that start with these, in any case, or the custom id starts with this. */
  search?: string;
  custom_id?: string;
  /** `key:value`; all must be there. */
  attributes?: string[];
  created_since?: string;
  created_until?: string;
  last_active_since?: string;
  last_active_until?: string;
}

export interface ProfileGroupFilter {
  membership_type?: 'static' | 'dynamic';
  custom_id?: string;
  /** `key:value`; all must be there. */
  attributes?: string[];
  /** Begins with it, in any case. */
  name?: string;
  is_active?: boolean;
}

export interface ActivityFilter {
  type?: string;
  /** Happened at or after it. */
  since?: string;
  /** Happened before it. */
  until?: string;
}

export interface PageOptions {
  /** At most 100; 1000 of members and changes. */
  page_size?: number;
  /** false: `count` is null, which is cheaper under a filter. */
  count?: boolean;
}

export type { Page, Profile };

/** What happened to a profile; what it is now stands in the profile. */
export interface ProfileChange {
  /** From 1, without gaps. */
  sequence: number;
  event: 'profile.created' | 'profile.updated' | 'profile.erased' | 'profile.merged' | (string & {});
  profile_id: string;
  /** The one that the profile has now; null once it was erased. */
  custom_id: string | null;
  at: string;
  /** Of an update: `nickname`, `custom_id`, `custom_data`, and `attributes.` with each key. */
  changed?: string[];
  /** Of a merge: the profile that stays. */
  into?: string;
}

export interface UsageOptions {
  /** Default `day`. Days and weeks are UTC; weeks begin on Mondays. */
  interval?: 'day' | 'week' | 'month';
  /** ISO 8601; taken back to the start of its interval. Default: 30 days, 13 weeks or 12 months back. */
  since?: string;
  /** ISO 8601. Default: now. */
  until?: string;
}

export interface UsageRow {
  at: string;
  active: number;
  new: number;
  /** Active, and made before the interval. */
  returning: number;
  activities: number;
  /** Profiles at its end. */
  total: number;
  active_7d: number;
  active_30d: number;
}

export interface Usage {
  interval: 'day' | 'week' | 'month';
  since: string;
  until: string;
  results: UsageRow[];
}

export interface Retention {
  until: string;
  results: { week: string; profiles: number; active: number[] }[];
}

export interface Duplicates {
  until: string;
  /** `recovered`: calls that a device key answered with the profile that it had made. */
  results: { at: string; new: number; single_day: number; recovered: number }[];
  /** `network` is a name without the address. */
  bursts: { at: string; network: string; profiles: number; without_activity: number }[];
}

export interface ApplicationLimit {
  value: number;
  /** `warn`: owners are told. `refuse`: new profiles are 429, with the limit's name in the answer. */
  action: 'warn' | 'refuse';
}

export interface ApplicationChange {
  /** By its name at the IANA: dates without a time, in rules and on profiles, are days there. */
  time_zone?: string;
  /** Whether fans may look for each other by nickname, with their own tokens. */
  fans_may_search?: boolean;
  limits?: {
    /** Fans active within 30 days. */
    max_mau?: AskedLimit | null;
    /** Profiles that apps of fans and sources make on one day, UTC. */
    max_profiles_per_day?: AskedLimit | null;
  };
}

/** Without an action it warns. */
export type AskedLimit = Pick<ApplicationLimit, 'value'> & Partial<ApplicationLimit>;

export interface LimitState extends ApplicationLimit {
  used: number;
  is_reached: boolean;
  /** Once it is reached: when it ends, or can end by itself. */
  ends_at: string | null;
  /** Profiles that were not made on this day for any limit. */
  refused_today: number;
}

/** Of an application; null: none. */
export interface Limits {
  /** Up to when was counted. */
  at: string;
  max_mau: LimitState | null;
  max_profiles_per_day: LimitState | null;
}

/** Where everything that happens is told. */
export interface Webhook {
  id: string;
  url: string;
  description: string;
  /** What it is told of; null: everything. */
  events: string[] | null;
  /** Of which groups, by id or `custom:<custom_id>`; null: all. */
  groups: string[] | null;
  /** Whether a new rule or a replaced list comes change by change or as one message with the numbers. */
  switches: 'changes' | 'summary' | (string & {});
  is_active: boolean;
  state: {
    status: 'healthy' | 'failing' | 'disabled' | (string & {});
    since: string;
    last_success_at: string | null;
    last_error: string | null;
    /** When the oldest thing happened that was sent and not taken yet. */
    oldest_undelivered_at: string | null;
  };
  created_at: string;
  updated_at: string;
}

export interface WebhookOptions {
  url?: string;
  description?: string;
  events?: string[] | null;
  groups?: string[] | null;
  switches?: 'changes' | 'summary';
  is_active?: boolean;
}

/** One message to a webhook, with every attempt to hand it over. */
export interface WebhookDelivery {
  /** The `webhook-id` of every attempt. */
  id: string;
  event: string;
  /** `pending`: it is tried again by itself. */
  state: 'pending' | 'delivered' | 'failed' | (string & {});
  group_id: string | null;
  first_sequence: number | null;
  last_sequence: number | null;
  created_at: string;
  next_attempt_at: string | null;
  attempts: { at: string; status: number | null; error: string | null; duration_ms: number; answer: string }[];
  /** What was sent; in lists absent. */
  body?: string | null;
}

export interface DeliveryFilter {
  state?: 'pending' | 'delivered' | 'failed';
  event?: string;
}

/** What leads from the names that a source uses to yours. */
export interface SourceMapping {
  /** Activity types by the name of the event; null ignores it. Others get a type made from their name. */
  events?: Record<string, string | null>;
  /** Attribute keys, or `nickname`, by the name of the trait; null ignores it. */
  traits?: Record<string, string | null>;
  /** The activity type of a page call. Absent: `page-viewed`; null: none. */
  page?: string | null;
  /** The same of a screen call: `screen-viewed`. */
  screen?: string | null;
}

/** A system that sends what fans do in a form of its own, by a key of its own. */
export interface Source {
  id: string;
  name: string;
  kind: 'segment' | 'livelike' | (string & {});
  /** `client`: its key stands in web pages, and may do what a profile's token may. */
  trust: 'server' | 'client' | (string & {});
  /** What the sending system is given as its host, or the address of webhooks. */
  endpoint: string;
  mapping: SourceMapping;
  /** How many items were refused or led nowhere so far. */
  problems: number;
  last_received_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface SourceOptions {
  name?: string;
  trust?: 'server' | 'client';
  /** Replaces the whole mapping. */
  mapping?: SourceMapping;
}

export interface NewSource extends SourceOptions {
  name: string;
  kind: 'segment' | 'livelike';
  /** Of LiveLike required: the client secret there. Of Segment: a key that clients have already. */
  write_key?: string;
}

/** Something that a source sent, and what became of it. */
export interface SourceItem {
  at: string;
  /** `track`, `identify`, …; of LiveLike the event. */
  call: string;
  name: string | null;
  outcome: 'taken' | 'refused' | 'not_mapped' | 'cut' | (string & {});
  reason: string | null;
  /** As it came in, its first 2,000 characters. */
  item: string;
}

export interface AuditFilter extends PageOptions {
  /** An e-mail address, the name of a token, or the id of either. */
  actor?: string;
  /** An operation, such as `updateGroup`. */
  action?: string;
  object_type?: string;
  object_id?: string;
  since?: string;
  until?: string;
}

/** A change that a producer or a token made. Secrets never stand here. */
export interface AuditEntry {
  id: string;
  at: string;
  actor: { kind: 'producer' | 'token' | 'command line'; id: string | null; name: string };
  address: string | null;
  request_id: string | null;
  action: string;
  object: { type: string; id: string | null; name: string | null } | null;
  before?: unknown;
  after?: unknown;
  request?: unknown;
}
