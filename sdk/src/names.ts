// Every name of the package's main entry. index.ts adds the default export; a script tag's global needs none.

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
export * from './livelike-request.ts';
export {
  addSdkEventListener,
  addUserProfileEventListener,
  removeSdkEventListener,
  removeUserProfileEventListener,
  SdkEvent,
  UserProfileEvent,
} from './sdk-events.ts';
