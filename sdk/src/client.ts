// One application on one server, for one fan: profile, activities and groups put together.

import { apiAddress, createRequest, type HttpOptions, type Request } from './http.ts';
import { createOwnGroups, type GroupsChange, type WatchOptions } from './groups.ts';
import { createQueue, type QueueOptions, type TrackOptions } from './queue.ts';
import { toPatch, type AttributeValues } from './attributes.ts';
import type {
  OwnProfile,
  Profile,
  ProfileChanges,
  ProfileGroupMembership,
  ProfileOptions,
  PublicProfile,
} from './resources.ts';
import { createSession, type IdentifyOptions, type SessionOptions } from './session.ts';
import { openStore, type StorageChoice } from './storage.ts';
import { clientIdOf } from './token.ts';

export interface ClientOptions extends HttpOptions, QueueOptions, Pick<SessionOptions, 'storageStrategy'> {
  /** The application. May be left out where an access token that names it is given. */
  clientId?: string | undefined;
  /** The fan's profile, from your back end or from where you saved it. It wins over whatever is stored. */
  accessToken?: string | null | undefined;
  /** Of a profile that has to be made. */
  nickname?: string | null | undefined;
  /** The same, as LiveLike's SDK spells it. */
  nickName?: string | null | undefined;
  /** Where the profile is kept between visits. Default `local`; where there is none, the page's memory. */
  storage?: StorageChoice | undefined;
  /** A token that is dead (401): `fail` (default) with an InvalidTokenError, or `create` a new profile. */
  onInvalidToken?: 'fail' | 'create' | undefined;
  /** Milliseconds between two questions for the own groups where streams do not get through. Default 10,000. */
  pollInterval?: number | undefined;
}

export interface UpdateOptions {
  /** Of another profile than the client's own. */
  accessToken?: string | undefined;
  options: ProfileChanges;
}

/** A fan of an application. */
export interface Client {
  readonly clientId: string;
  /** The server's API, `https://host/api/v1/`. */
  readonly endpoint: string;
  /** The own profile, once `init` has resolved. */
  readonly profile: OwnProfile | undefined;
  /**
   * Resolves the fan's profile: the one of the passed token, else the stored one, else a new one. Called several times at
   * once, in one page or in several tabs, it makes one profile.
   *
   * @throws InvalidTokenError, NetworkError, TimeoutError, ApiError
   */
  init(): Promise<OwnProfile>;
  /** Makes a further profile, and leaves the client's own as it is. Keep its `access_token`. */
  createUserProfile(options?: ProfileOptions): Promise<OwnProfile>;
  /** The own profile, the one of a token, or the public part of another. */
  getUserProfile(of?: { accessToken: string }): Promise<OwnProfile>;
  getUserProfile(of: { profileId: string }): Promise<Profile | PublicProfile>;
  /** Changes the own profile, or the one of a token. */
  updateUserProfile(update: UpdateOptions): Promise<OwnProfile>;
  /**
   * Sets some attributes of the own profile and leaves the others as they are, also those that others change meanwhile.
   * A list is several values of one key; null removes a key.
   */
  setAttributes(values: AttributeValues): Promise<OwnProfile>;
  /**
   * Notes what the fan did and returns at once, with the activity's id. It is sent with others a moment later, again if
   * that fails, and after a reload if the page was closed first.
   *
   * @param type one that the application has marked as the client's
   */
  track(type: string, options?: TrackOptions): string;
  /** Resolves when everything tracked so far is acknowledged; rejects if it could not be sent, and it is tried again later. */
  flush(): Promise<void>;
  /** The groups that the own profile is in. */
  getProfileGroups(): Promise<ProfileGroupMembership[]>;
  /**
   * Whether the own profile is in a group.
   *
   * @param group its id or custom id
   */
  isMember(group: string): Promise<boolean>;
  /** Calls the listener with the own groups, then whenever they change. Returns a function that ends it. */
  onProfileGroupsChange(listener: (change: GroupsChange) => void, options?: WatchOptions): () => void;
  /**
   * The fan signed in: goes on as the profile of this token, for which your back end signed it. The anonymous profile of this
   * device comes along: it is merged into the account's, with all that it did, and what waits is sent as the account's.
   * From one account to another, nothing is merged. Repeating it is harmless. If it fails, the fan stays who they were.
   *
   * @throws InvalidTokenError, NetworkError, TimeoutError, ApiError
   */
  identify(accessToken: string, options?: IdentifyOptions): Promise<OwnProfile>;
  /** Sends what waits, then forgets the profile on this device. The next `init` resolves the device's own or a new one. */
  signOut(): Promise<void>;
  /** Any other call of the API, with the own profile's token. */
  request: Request;
  /** Ends timers and connections. What waits stays stored. */
  close(): void;
}

/** A client of its own, beside the one that `init` and the other plain functions share. Nothing is asked before its `init`. */
export function createClient(options: ClientOptions): Client {
  const accessToken = options.accessToken || undefined; // LiveLike's SDK takes null and '' as none
  const clientId = options.clientId ?? (accessToken && clientIdOf(accessToken));
  if (!clientId) throw new TypeError('init needs a clientId, or an accessToken that names one.');
  const endpoint = apiAddress(options.endpoint);
  const request: Request = createRequest({ ...options, endpoint }, () => session.profile?.access_token);
  const store = openStore(options.storage);
  const isDefaultStorage = !options.storageStrategy && (options.storage ?? 'local') === 'local';
  const session = createSession(
    { request, clientId, endpoint, store, legacy: isDefaultStorage ? store : undefined },
    { ...options, accessToken, nickname: options.nickname ?? options.nickName ?? undefined },
  );
  const root = `applications/${encodeURIComponent(clientId)}/`;
  const key = `grandstand:${clientId}@${endpoint}`;
  const queue = createQueue(
    request,
    `${root}activities/`,
    key,
    store,
    !accessToken,
    options,
    () => session.profile?.id,
  );
  let starting: Promise<OwnProfile> | undefined;

  const init = (): Promise<OwnProfile> =>
    (starting ??= session
      .start()
      .then(async (profile) => {
        await queue.open(profile.id, session.former);
        return profile;
      })
      .finally(() => (starting = undefined)));

  /** The own profile, waiting for it if it is on its way. Nothing but `init` itself makes one. */
  const own = async (): Promise<OwnProfile> => {
    const profile = session.profile ?? (await starting);
    if (!profile) throw new TypeError('Call init first.');
    return profile;
  };
  const groups = createOwnGroups(
    request,
    async () => `${root}profiles/${(await own()).id}/profile-groups/`,
    options.pollInterval,
  );

  const ofToken = async (method: string, given: string | undefined, body?: ProfileChanges): Promise<OwnProfile> => {
    const token = given ?? (await own()).access_token;
    const profile = await request<Profile>(method, `${root}profile/`, { token, body });
    return token === session.profile?.access_token ? session.refresh(profile) : { ...profile, access_token: token };
  };

  return {
    clientId,
    endpoint,
    get profile() {
      return session.profile;
    },
    init,
    createUserProfile: session.create,
    // Overloaded in the interface: of another profile there is no token, and its type says so.
    getUserProfile: (of: { accessToken?: string; profileId?: string } = {}) =>
      of.profileId ? request<OwnProfile>('GET', `profiles/${of.profileId}/`) : ofToken('GET', of.accessToken),
    updateUserProfile: ({ accessToken: given, options: fields }) => ofToken('PATCH', given, fields),
    setAttributes: (values) => ofToken('PATCH', undefined, { attributes: toPatch(values) }),
    track: queue.track,
    async flush() {
      await own();
      await queue.flush();
    },
    getProfileGroups: groups.list,
    isMember: groups.isMember,
    onProfileGroupsChange: groups.watch,
    async identify(accessToken, options = {}) {
      await starting?.catch(() => {});
      const before = session.profile?.id;
      const profile = await session.identify(accessToken, options);
      // What one account did is never sent as another's.
      if (before !== undefined && before !== profile.id && !session.former.includes(before)) queue.leave();
      await queue.open(profile.id, session.former);
      groups.renew();
      return profile;
    },
    async signOut() {
      if (session.profile) await queue.flush().catch(() => {});
      groups.close();
      queue.leave();
      await session.forget();
    },
    request,
    close() {
      groups.close();
      queue.close();
    },
  };
}
