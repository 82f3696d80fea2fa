/**
 * Profiles, activities and groups of a fan, for browsers, React Native and Node.
 *
 * ```js
 * import * as LiveLike from '@grandstand/sdk';
 *
 * const profile = await LiveLike.init({ clientId });
 * LiveLike.track('poll-voted', { data: { poll: 'man-of-the-match' } });
 * ```
 *
 * @packageDocumentation
 */

export type { AttributePatch, AttributeValue, AttributeValues } from './attributes.ts';
export * from './errors.ts';
export { createClient, type Client, type ClientOptions, type UpdateOptions } from './client.ts';
export type { GroupsChange, WatchOptions } from './groups.ts';
export type { HttpOptions, Query, Request, RequestOptions } from './http.ts';
export type { Activity, Drop, QueueOptions, TrackOptions } from './queue.ts';
export type * from './resources.ts';
export type { IdentifyOptions, SessionOptions, StorageStrategy } from './session.ts';
export type { ItemStorage, KeyValueStorage, StorageChoice } from './storage.ts';
export * from './page-client.ts';
