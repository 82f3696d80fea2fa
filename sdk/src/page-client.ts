// The client that the plain functions share: `init` makes it, the others use it. For several applications or servers in
// one page there is createClient.

import type { AttributeValues } from './attributes.ts';
import { createClient, type Client, type ClientOptions, type UpdateOptions } from './client.ts';
import type { GroupsChange, WatchOptions } from './groups.ts';
import { apiAddress } from './http.ts';
import type { TrackOptions } from './queue.ts';
import type { IdentifyOptions } from './session.ts';
import { announce } from './sdk-events.ts';
import { isServer } from './storage.ts';
import type { OwnProfile, Profile, ProfileGroupMembership, ProfileOptions, PublicProfile } from './resources.ts';

let current: { client: Client; of: string; options: ClientOptions } | undefined;
/** A second fan came to the same server process: nobody is answered with another's profile, so nobody is answered at all. */
let isShared = false;

const SHARED =
  'A second fan called init in this process, and these functions have one fan. On a server make a client for each: ' +
  "createClient({ clientId, accessToken, storage: 'memory' }).";

const NONE = { id: '', nickname: '', access_token: '', custom_data: null } as OwnProfile; // what code reads before init

/** The own profile as it was last answered, kept up to date in place. Before `init` its texts are empty. */
export const userProfile: OwnProfile = { ...NONE };

function show(): void {
  for (const key of Object.keys(userProfile)) delete (userProfile as Partial<OwnProfile>)[key as keyof OwnProfile]; // its own keys
  Object.assign(userProfile, (!isShared && current?.client.profile) || NONE);
}

/** After a call that may have changed the own profile. */
async function shown<T>(call: Promise<T>): Promise<T> {
  const answer = await call;
  show();
  return answer;
}

/** The client of the last `init`. Throws before it. */
export function getClient(): Client {
  if (isShared) throw new TypeError(SHARED);
  if (!current) throw new TypeError('Call init first.');
  return current.client;
}

/**
 * Resolves the fan's profile: the one of `accessToken`, else the one kept in storage, else a new one.
 * However often and from however many tabs it is called at once, it makes one profile. On a server it is for programs that
 * act for one fan: a second fan there is an error, for this call and for every later one.
 *
 * @throws InvalidTokenError if the token is dead (see `onInvalidToken`), NetworkError, TimeoutError, ApiError
 */
export async function init(options: ClientOptions): Promise<OwnProfile> {
  const of = JSON.stringify([apiAddress(options.endpoint), options.clientId, options.accessToken]);
  const before = current;
  const mayBeAnother = before && isServer() && !(before.of === of && isOfOneFan(options, before.options));
  if (!before || mayBeAnother || before.of !== of) {
    const client = createClient(options);
    if (mayBeAnother && !(await isSameFan(before.client, client, options))) {
      client.close();
      isShared = true;
      show();
    }
    if (isShared) throw new TypeError(SHARED);
    before?.client.close();
    current = { client, of, options };
  }
  const profile = await shown(getClient().init());
  announce(profile);
  return profile;
}

/** Who comes with a token, or again from the same place, is one fan; who comes without may be anybody. */
const isOfOneFan = ({ accessToken, storage, storageStrategy }: ClientOptions, before: ClientOptions): boolean =>
  Boolean(accessToken) ||
  (typeof storage === 'object' && storage === before.storage) ||
  (storageStrategy !== undefined && storageStrategy === before.storageStrategy);

async function isSameFan(one: Client, other: Client, { accessToken }: ClientOptions): Promise<boolean> {
  if (!accessToken) return false;
  const [before, now] = await Promise.all([one.init(), other.init()]);
  return before.id === now.id;
}

/** Makes a further profile. The one that `init` resolved stays the page's own. Keep the `access_token` of the answer. */
export async function createUserProfile(options?: ProfileOptions): Promise<OwnProfile> {
  return getClient().createUserProfile(options);
}

/** The own profile, the one of a token, or the public part of another. */
export async function getUserProfile(of?: { accessToken: string }): Promise<OwnProfile>;
export async function getUserProfile(of: { profileId: string }): Promise<Profile | PublicProfile>;
export async function getUserProfile(
  of?: { accessToken: string } | { profileId: string },
): Promise<Profile | PublicProfile> {
  return shown(getClient().getUserProfile(of as { profileId: string })); // one of the two overloads
}

/** Changes the own profile, or the one of `accessToken`. The answer keeps the token. */
export async function updateUserProfile(update: UpdateOptions): Promise<OwnProfile> {
  return shown(getClient().updateUserProfile(update));
}

/** Sets some attributes of the own profile and leaves the others as they are; see `Client.setAttributes`. */
export async function setAttributes(values: AttributeValues): Promise<OwnProfile> {
  return shown(getClient().setAttributes(values));
}

/** Notes what the fan did and returns at once; see `Client.track`. */
export function track(type: string, options?: TrackOptions): string {
  return getClient().track(type, options);
}

/** Resolves when everything tracked so far is acknowledged; see `Client.flush`. */
export async function flush(): Promise<void> {
  return getClient().flush();
}

/** The groups that the own profile is in. */
export async function getProfileGroups(): Promise<ProfileGroupMembership[]> {
  return getClient().getProfileGroups();
}

/** Whether the own profile is in a group, named by its id or custom id. */
export async function isMember(group: string): Promise<boolean> {
  return getClient().isMember(group);
}

/** Calls the listener with the own groups, then whenever they change. Returns a function that ends it. */
export function onProfileGroupsChange(listener: (change: GroupsChange) => void, options?: WatchOptions): () => void {
  return getClient().onProfileGroupsChange(listener, options);
}

/** Goes on as the fan of this token, and takes what they did anonymously along; see `Client.identify`. */
export async function identify(accessToken: string, options?: IdentifyOptions): Promise<OwnProfile> {
  return shown(getClient().identify(accessToken, options));
}

/** Sends what waits and forgets the profile on this device; see `Client.signOut`. */
export async function signOut(): Promise<void> {
  return shown(getClient().signOut());
}
