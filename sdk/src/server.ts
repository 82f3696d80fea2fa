/**
 * Calls for back ends, with an admin access token. Nothing of this belongs into a page that fans see.
 *
 * ```js
 * import { createAdminClient, signProfileToken } from '@grandstand/sdk/server';
 *
 * const admin = createAdminClient({ endpoint, clientId, accessToken: process.env.GRANDSTAND_ADMIN_TOKEN });
 * for await (const change of admin.groups.changes('custom:regulars', { follow: true })) console.log(change);
 * ```
 *
 * @packageDocumentation
 */

import type * as r from './admin-resources.ts';
import { followActivities, followChanges, type ChangesOptions, type TailOptions } from './changes.ts';
import { toPatch, type AttributeValues } from './attributes.ts';
import { createRequest, delay, type HttpOptions, type Query, type Request } from './http.ts';
import { list, type List, type ListOptions } from './pages.ts';
import type { OwnProfile, Profile, ProfileGroupMembership } from './resources.ts';
import type * as rules from './rules.ts';

export type { AttributePatch, AttributeValue, AttributeValues } from './attributes.ts';
import { NetworkError } from './errors.ts';

export * from './errors.ts';
export { signProfileToken, type ProfileTokenClaims } from './sign.ts';
export type { ChangesOptions, TailOptions } from './changes.ts';
export type { HttpOptions, Query, Request, RequestOptions } from './http.ts';
export type { List, ListOptions } from './pages.ts';
export type * from './resources.ts';
export type * from './rules.ts';
export type * from './admin-resources.ts';

export interface AdminOptions extends HttpOptions {
  clientId: string;
  /** An admin access token. None where a session's cookie speaks instead (`credentials: 'include'`). */
  accessToken?: string | undefined;
}

/** What createAdminClient makes. */
export type AdminClient = ReturnType<typeof createAdminClient>;

/** A client of one application with everything that an admin token may do. Groups are named by id or `custom:<custom_id>`. */
export function createAdminClient(options: AdminOptions) {
  const request = createRequest(options, () => options.accessToken);
  const root = `applications/${encodeURIComponent(options.clientId)}/`;
  return {
    clientId: options.clientId,
    /** Any other call: `request('GET', 'applications/…')`. */
    request,
    getApplication: () => request<r.Application>('GET', root),
    /**
     * Sets the time zone in which its days begin, and limits on the profiles that apps of fans make, or removes those by null.
     * What is not named stays.
     */
    updateApplication: (change: r.ApplicationChange) =>
      request<r.Limits & { time_zone: string; fans_may_search: boolean }>('PATCH', root, { body: change }),
    /** The limits, and how far they are used. */
    getLimits: () => request<r.Limits>('GET', `${root}limits/`),
    /** Profiles, what is new and active by day, activities by minute, the largest and fastest groups, health of evaluation. */
    getStatistics: () => request<r.Statistics>('GET', `${root}statistics/`),
    usage: usageCalls(request, root),
    /** Every change that a producer or a token made, newest first. For owners and full admin tokens. */
    audit: (filter: r.AuditFilter = {}, options?: ListOptions): List<r.AuditEntry> =>
      list(request, `${root}audit/`, query(filter), options),
    profiles: profileCalls(request, root, options.clientId),
    groups: groupCalls(request, root),
    attributes: attributeCalls(request, root),
    activities: activityCalls(request, root),
    accessTokens: tokenCalls(request, root),
    imports: importCalls(request, root),
    webhooks: webhookCalls(request, root),
    exports: exportCalls(request, root),
    sources: sourceCalls(request, root),
  };
}

const path = (text: string): string => encodeURIComponent(text);

/** A type with an index signature is not needed of filters: their values are what a query may hold. */
const query = (...parts: (object | undefined)[]): Query => Object.assign({}, ...parts) as Query;

function usageCalls(request: Request, root: string) {
  return {
    /** Active, new and returning profiles by day, week or month (UTC), with the rolling figures of 7 and 30 days. Exact. */
    get: (options: r.UsageOptions = {}) => request<r.Usage>('GET', `${root}usage/`, { query: query(options) }),
    /** How many of the profiles made in a week were active in it and in each of the twelve after it. */
    retention: () => request<r.Retention>('GET', `${root}usage/retention/`),
    /** Profiles never active on a second day, by the day they were made, and bursts from one network. */
    duplicates: () => request<r.Duplicates>('GET', `${root}usage/duplicates/`),
  };
}

function profileCalls(request: Request, root: string, clientId: string) {
  const byCustomId = (customId: string): string => `profile-by-custom-id/${path(clientId)}/${path(customId)}/`;
  return {
    get: (id: string) => request<Profile>('GET', `profiles/${path(id)}/`),
    getByCustomId: (customId: string) => request<Profile>('GET', byCustomId(customId)),
    create: (fields: r.NewProfileOptions = {}) => request<OwnProfile>('POST', `${root}profile/`, { body: fields }),
    /** 409 where a profile has the custom id already. */
    createByCustomId: (customId: string, fields: r.AdminProfileOptions = {}) =>
      request<OwnProfile>('POST', byCustomId(customId), { body: fields }),
    /** Makes or changes 1 to 1000 profiles by their ids or custom ids. */
    async upsert(profiles: r.UpsertProfile[]): Promise<r.BulkResult[]> {
      return (await request<{ results: r.BulkResult[] }>('POST', `${root}profiles/bulk/`, { body: { profiles } }))
        .results;
    },
    /** `ifMatch`: the `updated_at` that was read; 412 if the profile changed since. */
    update: (id: string, fields: r.AdminProfileChanges, ifMatch?: string) =>
      request<Profile>('PATCH', `profiles/${path(id)}/`, { body: fields, ...matching(ifMatch) }),
    /** Sets some attributes and leaves the others as they are. A list is several values of one key; null removes a key. */
    setAttributes: (id: string, values: AttributeValues) =>
      request<Profile>('PATCH', `profiles/${path(id)}/`, { body: { attributes: toPatch(values) } }),
    /** With its tokens, memberships and activities; cannot be undone. */
    erase: (id: string) => request<void>('DELETE', `profiles/${path(id)}/`),
    /**
     * Makes two profiles of one fan one: `id` into `into` (an id or `custom:…`), whose own values stay. Afterwards `id` leads to
     * that profile. Its tokens die unless they `follow`. `dryRun`: only says what would change.
     */
    merge: (id: string, { dryRun = false, ...body }: r.MergeOptions) =>
      request<r.MergedProfile>('POST', `${root}profiles/${path(id)}/merge/`, {
        body,
        ...(dryRun && { query: { dry_run: 'true' } }),
      }),
    /** What was merged into a profile, newest first. */
    merges: (id: string, filter: r.PageOptions = {}, options?: ListOptions): List<r.Merge> =>
      list(request, `${root}profiles/${path(id)}/merges/`, query(filter), options),
    list: (filter: r.ProfileFilter & r.PageOptions = {}, options?: ListOptions): List<Profile> =>
      list(request, `${root}profiles/`, query(filter), options),
    /** A new access token; the others die unless `keepExisting`. */
    async rotateToken(id: string, { keepExisting = false } = {}): Promise<string> {
      const answer = await request<{ access_token: string }>('POST', `profiles/${path(id)}/access-tokens/`, {
        body: { keep_existing: keepExisting },
      });
      return answer.access_token;
    },
    revokeTokens: (id: string) => request<void>('DELETE', `profiles/${path(id)}/access-tokens/`),
    /** Who was created, changed, erased and merged, in order and without gaps; with `follow`, also what is yet to come. */
    changes: (options: ChangesOptions = {}): AsyncIterableIterator<r.ProfileChange> =>
      followChanges<r.ProfileChange>(request, `${root}profile-changes/`, options),
    /** The groups that a profile is in, also those that its own token does not see. Newest first. */
    groups: (id: string, filter: r.PageOptions = {}, options?: ListOptions): List<ProfileGroupMembership> =>
      list(request, `${root}profiles/${path(id)}/profile-groups/`, query(filter), options),
    /** What a profile did, newest first by `occurred_at`. */
    activities: (
      id: string,
      filter: r.ActivityFilter & r.PageOptions = {},
      options?: ListOptions,
    ): List<r.StoredActivity> => list(request, `${root}profiles/${path(id)}/activities/`, query(filter), options),
    /** How many by hour (default) or day, UTC; of one type or of all. */
    activityCounts: (
      id: string,
      options: { interval?: 'hour' | 'day'; since?: string; until?: string; type?: string } = {},
    ) => request<r.ActivityCounts>('GET', `${root}profiles/${path(id)}/activity-counts/`, { query: query(options) }),
  };
}

function groupCalls(request: Request, root: string) {
  const one = (group: string): string => `${root}profile-groups/${path(group)}/`;
  return {
    create: (fields: r.NewProfileGroup) => request<r.ProfileGroup>('POST', `${root}profile-groups/`, { body: fields }),
    get: (group: string) => request<r.ProfileGroup>('GET', one(group)),
    /** `ifMatch`: the `updated_at` that was read; 412 if the group changed since. */
    update: (group: string, fields: r.ProfileGroupOptions, ifMatch?: string) =>
      request<r.ProfileGroup>('PATCH', one(group), { body: fields, ...matching(ifMatch) }),
    delete: (group: string) => request<void>('DELETE', one(group)),
    /** Brings back a group that `is_active: false` hid. */
    restore: (group: string) => request<r.ProfileGroup>('POST', `${one(group)}restore/`, { body: {} }),
    list: (filter: r.ProfileGroupFilter & r.PageOptions = {}, options?: ListOptions): List<r.ProfileGroup> =>
      list(request, `${root}profile-groups/`, query(filter), options),

    members: (group: string, filter: r.MemberFilter & r.PageOptions = {}, options?: ListOptions): List<r.Member> =>
      list(request, `${one(group)}members/`, query(filter), options),
    addMembers: (group: string, ids: r.MemberIds) =>
      request<r.AddedMembers>('POST', `${one(group)}members/`, { body: ids }),
    removeMembers: (group: string, ids: r.MemberIds) => request<void>('DELETE', `${one(group)}members/`, { body: ids }),
    /**
     * Makes these the members of a static group, all in one step. As many as you like: a stream is not held in memory.
     * CSV has the header `profile_id` or `custom_id`; NDJSON has an id a line as a JSON string, of the kind that `ids` says.
     * Where no id, or more than `max_invalid` (10) per cent of them do not, name a profile, this is a 409 with the counts in
     * `error.data`, and nothing changes, unless `allow_invalid`.
     */
    replaceMembers: (
      group: string,
      body: string | Uint8Array | ReadableStream<Uint8Array>,
      contentType: 'text/csv' | 'application/x-ndjson',
      { signal, ...options }: r.ReplaceOptions & { signal?: AbortSignal } = {},
    ) =>
      request<r.ReplacedMembers>('PUT', `${one(group)}members/`, {
        query: query(options),
        body,
        contentType,
        timeout: 3_600_000,
        signal,
      }),
    /** Whether, since when and why a profile is a member. */
    explain: (group: string, profileId: string) =>
      request<rules.MembershipState>('GET', `${one(group)}members/${path(profileId)}/`),
    pin: (group: string, profileId: string, pin: rules.Pin) =>
      request<rules.Pin>('PUT', `${one(group)}pins/${path(profileId)}/`, { body: pin }),
    unpin: (group: string, profileId: string) => request<void>('DELETE', `${one(group)}pins/${path(profileId)}/`),

    /**
     * Who would be in a group of this rule; against a group, who would enter and leave; with `history`, how many it would have been
     * at the end of each of the last days (1 to 365). Changes nothing.
     */
    preview: (
      ruleTree: rules.RuleTree,
      group?: string,
      { history, ...options }: ListOptions & { history?: { days: number } } = {},
    ) =>
      request<rules.Preview>('POST', `${root}profile-groups/preview/`, {
        ...options,
        body: { rule_tree: ruleTree, ...(group && { group_id: group }), ...(history && { history }) },
        idempotencyKey: null,
      }),
    /** How two to five groups overlap: the size of every intersection, as of one instant. */
    compare: (groups: readonly string[], options: ListOptions = {}) =>
      request<rules.Comparison>('POST', `${root}profile-groups/compare/`, {
        ...options,
        body: { groups },
        idempotencyKey: null,
      }),
    rulesets: (group: string, options?: ListOptions): List<rules.SavedRuleset> =>
      list(request, `${one(group)}rulesets/`, {}, options),
    restoreRuleset: (group: string, rulesetId: string) =>
      request<r.ProfileGroup>('POST', `${one(group)}rulesets/${path(rulesetId)}/restore/`, { body: {} }),
    /** Compares membership with what the raw activities say. */
    verify: (group: string) =>
      request<rules.Verification>('POST', `${one(group)}verify/`, { body: {}, idempotencyKey: null }),

    /** Who entered and left, in order and without gaps; with `follow`, also what is yet to come. */
    changes: (group: string, options: ChangesOptions = {}): AsyncIterableIterator<rules.MembershipChange> =>
      followChanges(request, `${one(group)}changes/`, options),
    size: (group: string, options: { interval?: 'hour' | 'day'; since?: string; until?: string } = {}) =>
      request<rules.Sizes>('GET', `${one(group)}size/`, { query: query(options) }),
    /** Who came and went, by hour or day and by cause. */
    flow: (group: string, options: { interval?: 'hour' | 'day'; since?: string; until?: string } = {}) =>
      request<rules.Flow>('GET', `${one(group)}flow/`, { query: query(options) }),
    /** Who enters and leaves a dynamic group within so many hours (1 to 168, default 24) if nothing else happens. */
    coming: (group: string, options: { hours?: number } = {}) =>
      request<rules.ComingChanges>('GET', `${one(group)}coming/`, { query: query(options) }),
    /** The groups whose rules read this one. */
    readers: (group: string) =>
      request<{ results: { id: string; name: string; custom_id: string | null }[] }>('GET', `${one(group)}readers/`),
    /** The sizes of up to 100 groups by their ids, in one answer. */
    sizes: (ids: string[], options: { interval?: 'hour' | 'day'; since?: string; until?: string } = {}) =>
      request<rules.SizesOfGroups>('GET', `${root}profile-groups/sizes/`, { query: query({ id: ids }, options) }),
  };
}

function attributeCalls(request: Request, root: string) {
  const all = `${root}profile-attributes/`;
  return {
    /** The whole catalogue, in one answer. */
    catalogue: () => request<r.AttributeCatalogue>('GET', all),
    get: (key: string) => request<r.ProfileAttribute>('GET', `${all}${path(key)}/`),
    define: (fields: r.ProfileAttributeOptions & { key: string }) =>
      request<r.ProfileAttribute>('POST', all, { body: fields }),
    update: (key: string, fields: r.ProfileAttributeOptions) =>
      request<r.ProfileAttribute>('PATCH', `${all}${path(key)}/`, { body: fields }),
    delete: (key: string) => request<void>('DELETE', `${all}${path(key)}/`),
  };
}

function activityCalls(request: Request, root: string) {
  const types = `${root}activity-types/`;
  return {
    /** 1 to 1000. Repeating a call is harmless: an activity that is known by its id counts as a duplicate. */
    send: (activities: r.NewActivity[]) =>
      request<r.AcceptedActivities>('POST', `${root}activities/`, { body: { activities } }),
    /** `sentBy` is needed only where the profile itself and an admin sent one with this id: 409 otherwise. */
    delete: (profileId: string, id: string, { sentBy }: { sentBy?: 'admin' | 'profile' } = {}) =>
      request<void>('DELETE', `${root}profiles/${path(profileId)}/activities/${path(id)}/`, {
        query: { sent_by: sentBy },
      }),
    /** Activities as they come in, of all profiles: the newest, or with `follow` all that come in from now or `after` on. */
    tail: (options: TailOptions = {}): AsyncIterableIterator<r.StoredActivity> =>
      followActivities(request, `${root}activities/`, options),
    /** The platform's and the registered ones; with `registered: false`, those that were only ever sent. */
    types: async (filter: { registered?: boolean } = {}): Promise<r.ActivityType[]> =>
      (await request<r.Page<r.ActivityType>>('GET', types, { query: filter })).results,
    /** Lets fans' own tokens send a type (`client`), and attributes be derived from it. */
    registerType: (type: { type: string; label?: string; client?: boolean }) =>
      request<r.ActivityType>('POST', types, { body: type }),
    updateType: (type: string, fields: { label?: string; client?: boolean }) =>
      request<r.ActivityType>('PATCH', `${types}${path(type)}/`, { body: fields }),
    /** Fans can no longer send it. Its activities and what is derived from them stay. */
    unregisterType: (type: string) => request<void>('DELETE', `${types}${path(type)}/`),
  };
}

function tokenCalls(request: Request, root: string) {
  return {
    list: (filter: r.PageOptions = {}, options?: ListOptions): List<r.AdminToken> =>
      list(request, `${root}access-tokens/`, query(filter), options),
    create: (fields: { name: string; read_only?: boolean; expires_at?: string | null }) =>
      request<r.AdminToken & { token: string }>('POST', `${root}access-tokens/`, { body: fields }),
    revoke: (id: string) => request<void>('DELETE', `${root}access-tokens/${path(id)}/`),
  };
}

type FileBody = string | Uint8Array | Blob | ReadableStream<Uint8Array>;
type FileType = 'text/csv' | 'text/tab-separated-values' | 'application/x-ndjson';

function importCalls(request: Request, root: string) {
  const all = `${root}imports/`;
  const get = (id: string) => request<r.Import>('GET', `${all}${path(id)}/`);
  return {
    /**
     * Sends a file of any size, gzip or not. Once it has arrived it is read in in the background; sending it again changes
     * nothing. CSV has a header; NDJSON has an object a line as the API takes it, of members also an id as a JSON string.
     */
    create: (
      of: r.ImportKind,
      body: FileBody,
      contentType: FileType,
      { signal, ...options }: r.ImportFileOptions & { signal?: AbortSignal } = {},
    ) =>
      request<r.Import>('POST', all, { query: query({ of }, options), body, contentType, timeout: 3_600_000, signal }),
    /** How a file would be read, from its first 64 KiB. */
    preview: (of: r.ImportKind, body: FileBody, contentType: FileType, options: { header?: boolean } = {}) =>
      request<r.FilePreview>('POST', `${all}preview/`, {
        query: query({ of }, options),
        body,
        contentType,
        idempotencyKey: null,
      }),
    get,
    list: (filter: r.PageOptions = {}, options?: ListOptions): List<r.Import> =>
      list(request, all, query(filter), options),
    /** Resolves once everything is read in, or it failed. `onProgress` is told how far it is. */
    async wait(
      id: string,
      {
        interval = 500,
        onProgress,
        signal,
      }: { interval?: number; onProgress?: (row: r.Import) => void; signal?: AbortSignal } = {},
    ): Promise<r.Import> {
      for (;;) {
        const row = await get(id);
        onProgress?.(row);
        if (row.state === 'done' || row.state === 'failed') return row;
        await delay(interval, signal);
      }
    },
    /** The rejected rows as CSV: line, reason, row. */
    rejected: (id: string) =>
      request<string>('GET', `${all}${path(id)}/rejected/`, { read: (response) => response.text(), timeout: 600_000 }),
  };
}

function webhookCalls(request: Request, root: string) {
  const one = (id: string): string => `${root}webhooks/${path(id)}/`;
  return {
    list: (filter: r.PageOptions = {}, options?: ListOptions): List<r.Webhook> =>
      list(request, `${root}webhooks/`, query(filter), options),
    get: (id: string) => request<r.Webhook>('GET', one(id)),
    /** The answer has the `secret` that verifies messages, shown here only. */
    create: (fields: r.WebhookOptions & { url: string }) =>
      request<r.Webhook & { secret: string }>('POST', `${root}webhooks/`, { body: fields }),
    /** `ifMatch`: the `updated_at` that was read; 412 if it changed since. */
    update: (id: string, fields: r.WebhookOptions, ifMatch?: string) =>
      request<r.Webhook>('PATCH', one(id), { body: fields, ...matching(ifMatch) }),
    delete: (id: string) => request<void>('DELETE', one(id)),
    /** A new secret; the old one signs beside it for 24 hours. */
    async rotateSecret(id: string): Promise<string> {
      return (await request<{ secret: string }>('POST', `${one(id)}rotate-secret/`, { body: {} })).secret;
    },
    /** Tells everything since an instant once more. */
    rewind: (id: string, since: string) => request<r.Webhook>('POST', `${one(id)}rewind/`, { body: { since } }),
    /** Sends the event `test` now and says what became of it. */
    test: (id: string) =>
      request<r.WebhookDelivery>('POST', `${one(id)}test/`, { body: {}, idempotencyKey: null, retries: 0 }),
    /** What was sent in the last seven days, newest first. */
    deliveries: (
      id: string,
      filter: r.DeliveryFilter & r.PageOptions = {},
      options?: ListOptions,
    ): List<r.WebhookDelivery> => list(request, `${one(id)}deliveries/`, query(filter), options),
    /** With the body that was sent. */
    delivery: (id: string, deliveryId: string) =>
      request<r.WebhookDelivery>('GET', `${one(id)}deliveries/${path(deliveryId)}/`),
    /** Sends a message once more: now, or if it waits, as soon as its turn comes. */
    retry: (id: string, deliveryId: string) =>
      request<r.WebhookDelivery>('POST', `${one(id)}deliveries/${path(deliveryId)}/retry/`, {
        body: {},
        idempotencyKey: null,
        retries: 0,
      }),
  };
}

function exportCalls(request: Request, root: string) {
  const open = (
    address: string,
    { signal, ...options }: r.ExportOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<ReadableStream<Uint8Array>> =>
    request('GET', address, {
      query: query({ format: 'csv' }, options),
      headers: { accept: '*/*' },
      // What comes through it may take hours; a connection that breaks fails the one who reads.
      read: async (response) => response.body,
      signal,
    });
  return {
    /** Everything of one kind as a file, as it comes: CSV unless `format` says `ndjson`. Reading it fails where it is not whole. */
    open: (kind: r.ExportKind, options?: r.ExportOptions & { signal?: AbortSignal }) =>
      open(`${root}exports/${kind}/`, options),
    /** The members of one group as a file. */
    openMembers: (group: string, options?: r.ExportOptions & { signal?: AbortSignal }) =>
      open(`${root}profile-groups/${path(group)}/members/`, options),
    /** The same, row by row. Throws where it ends early. */
    rows<T = Record<string, unknown>>(
      kind: r.ExportKind,
      options: Omit<r.ExportOptions, 'format' | 'last_line'> & { signal?: AbortSignal } = {},
    ): AsyncGenerator<T> {
      return readRows<T>(() => open(`${root}exports/${kind}/`, { ...options, format: 'ndjson', last_line: true }));
    },
    /** All that is stored about one profile. */
    profile: (id: string) => request<r.ProfileExport>('GET', `profiles/${path(id)}/export/`, { timeout: 3_600_000 }),
  };
}

async function* readRows<T>(open: () => Promise<ReadableStream<Uint8Array>>): AsyncGenerator<T> {
  const reader = (await open()).getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const row = JSON.parse(line) as { complete?: boolean };
        if (row.complete === true) return;
        yield row as T; // what the server writes
      }
      if (done) throw new NetworkError('The export ended early.');
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function sourceCalls(request: Request, root: string) {
  const one = (id: string): string => `${root}sources/${path(id)}/`;
  return {
    list: (filter: r.PageOptions = {}, options?: ListOptions): List<r.Source> =>
      list(request, `${root}sources/`, query(filter), options),
    get: (id: string) => request<r.Source>('GET', one(id)),
    /** The answer has the `write_key` that the sending system needs, shown here only. */
    create: (fields: r.NewSource) =>
      request<r.Source & { write_key: string }>('POST', `${root}sources/`, { body: fields }),
    /** `ifMatch`: the `updated_at` that was read; 412 if it changed since. */
    update: (id: string, fields: r.SourceOptions, ifMatch?: string) =>
      request<r.Source>('PATCH', one(id), { body: fields, ...matching(ifMatch) }),
    /** Its key is refused from then on; what it sent stays. */
    delete: (id: string) => request<void>('DELETE', one(id)),
    /** A new key, or this one; the old one is taken too for 24 hours. */
    async rotateKey(id: string, writeKey?: string): Promise<string> {
      const body = writeKey === undefined ? {} : { write_key: writeKey };
      return (await request<{ write_key: string }>('POST', `${one(id)}rotate-key/`, { body })).write_key;
    },
    /** The last 1,000 items that were refused or not mapped, newest first. */
    problems: (id: string, filter: r.PageOptions = {}, options?: ListOptions): List<r.SourceItem> =>
      list(request, `${one(id)}problems/`, query(filter), options),
    /** Problems and a sample of what was taken, newest first. */
    recent: (id: string, filter: r.PageOptions = {}, options?: ListOptions): List<r.SourceItem> =>
      list(request, `${one(id)}recent/`, query(filter), options),
  };
}

const matching = (updatedAt: string | undefined): { headers?: Record<string, string> } =>
  updatedAt === undefined ? {} : { headers: { 'if-match': `"${updatedAt}"` } };
