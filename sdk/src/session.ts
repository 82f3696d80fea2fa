// Whose profile this is. Every profile costs, so the one rule here is: never make one where there is one already. Making
// one happens under a lock that all tabs share, with a device key that is stored before the request is sent and stays
// beside the token: a fan who comes back after a crash in between, or whose token alone was lost, gets the same profile.
// The key is as good as the token, so it goes where the device is no longer that fan's.

import { ApiError, InvalidTokenError } from './errors.ts';
import { delay, isTemporary, type Request } from './http.ts';
import { parseJson } from './json.ts';
import { withLock } from './lock.ts';
import type { OwnProfile, Profile, ProfileOptions } from './resources.ts';
import type { Store } from './storage.ts';
import { clientIdOf, randomId } from './token.ts';

/** The place for a profile in code written for LiveLike's SDK: no key, the whole profile as an object. */
export interface StorageStrategy {
  get(): unknown;
  /** null once the fan signed out. */
  set(profile: OwnProfile | null): unknown;
}

export interface SessionOptions {
  accessToken?: string | undefined;
  nickname?: string | undefined;
  /** As of LiveLike's SDK; `storage` is the newer way. */
  storageStrategy?: StorageStrategy | undefined;
  onInvalidToken?: 'fail' | 'create' | undefined;
}

/** What the session stores. */
interface Kept {
  profile: OwnProfile;
  /** Made by this package on this device, for a fan who is not signed in. */
  isGuest: boolean;
  /** Ids of anonymous profiles of this device that became this one: what they did may still wait here to be sent. */
  former?: string[];
}

/** What becomes of the tokens of the anonymous profile: they speak for the account's, or die. */
export interface IdentifyOptions {
  /** Default `revoke`. `follow`: other tabs and apps that hold one go on, as the account. */
  tokens?: 'follow' | 'revoke';
}

export interface Session {
  start(): Promise<OwnProfile>;
  /** A further profile, which does not become the session's own. */
  create(options?: ProfileOptions): Promise<OwnProfile>;
  /** After the server answered with a newer state of the own profile. */
  refresh(profile: Profile): Promise<OwnProfile>;
  /** The fan signed in: the profile of the token, into which the anonymous one of this device was merged. */
  identify(accessToken: string, options: IdentifyOptions): Promise<OwnProfile>;
  forget(): Promise<void>;
  readonly profile: OwnProfile | undefined;
  /** Ids of anonymous profiles of this device that became the own one. */
  readonly former: string[];
}

export interface Scope {
  request: Request;
  clientId: string;
  endpoint: string;
  store: Store;
  /** Where the official web SDK kept its profile; undefined with a storage of the application's own. */
  legacy: Store | undefined;
}

export function createSession({ request, clientId, endpoint, store, legacy }: Scope, options: SessionOptions): Session {
  const key = `grandstand:${clientId}@${endpoint}`;
  const guestKey = `${key}:guest`;
  const deviceKeyKey = `${key}:device`;
  const legacyKey = `livelike-user-auth-${clientId}`;
  const path = `applications/${encodeURIComponent(clientId)}/profile/`;
  const { storageStrategy: strategy } = options;
  let profile: OwnProfile | undefined;
  let former: string[] = [];
  /** The token that the server was last asked about. */
  let tried: string | undefined;

  const load = async (accessToken: string): Promise<OwnProfile> => {
    tried = accessToken;
    return { ...(await request<Profile>('GET', path, { token: accessToken })), access_token: accessToken };
  };

  /** Nothing that was left by another application or server, or that is no profile. */
  const sound = (value: unknown): OwnProfile | undefined => {
    const found = value as (Partial<OwnProfile> & { endpoint?: string }) | null | undefined; // each field is looked at
    const token = found?.access_token;
    if (typeof token !== 'string' || (found?.client_id ?? clientIdOf(token)) !== clientId) return undefined;
    return (found?.endpoint ?? endpoint) === endpoint ? (found as OwnProfile) : undefined;
  };

  const readKept = async (from = key): Promise<Kept | undefined> => {
    if (strategy && from === key) {
      const found = sound(await strategy.get());
      return found && { profile: found, isGuest: false };
    }
    const kept = parseJson(await store.get(from)) as Partial<Kept> | null | undefined; // each field is looked at
    const found = sound(kept?.profile);
    return found && { profile: found, isGuest: kept?.isGuest === true, former: kept?.former ?? [] };
  };

  const keep = async (made: OwnProfile, isGuest: boolean, absorbed?: string): Promise<boolean> => {
    profile = made;
    if (strategy) {
      await strategy.set({ ...made, endpoint } as OwnProfile); // one field more, so that no other server is sent this token
      return true;
    }
    const before = await readKept();
    const isSame = before?.profile.id === made.id;
    former = [...(isSame ? (before.former ?? []) : []), ...(absorbed === undefined ? [] : [absorbed])];
    // An account signed in: the device's own profile waits until they sign out, instead of being made again then.
    if (!isGuest && before?.isGuest && !isSame && before.profile.id !== absorbed)
      await store.set(guestKey, JSON.stringify(before));
    return store.set(key, JSON.stringify({ profile: made, isGuest: isGuest && made.custom_id === null, former }));
  };

  /** Whether the anonymous profile is part of the other one now, or never can be: its token is dead. */
  const absorb = async (
    anonymous: OwnProfile,
    into: OwnProfile,
    tokens: IdentifyOptions['tokens'],
  ): Promise<Profile> => {
    try {
      const merged = await request<{ profile: Profile }>('POST', `${path}merge/`, {
        token: into.access_token,
        body: { access_token: anonymous.access_token, tokens },
      });
      return merged.profile;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.fields['access_token']) return into;
      // After an answer that was lost, or in another tab: both tokens are of one profile.
      if (error.status === 409 && (await load(anonymous.access_token)).id === into.id) return into;
      throw error;
    }
  };

  const identify: Session['identify'] = (accessToken, { tokens = 'revoke' }) =>
    withLock(key, async () => {
      const before = (await readKept())?.profile ?? profile;
      const account = await load(accessToken);
      const isAnonymous = before?.custom_id === null && before.id !== account.id;
      const whole = isAnonymous ? await absorb(before, account, tokens) : account;
      const own = { ...whole, access_token: accessToken };
      await keep(own, false, isAnonymous ? before.id : undefined);
      return own;
    });

  const resume = async (kept: Kept): Promise<OwnProfile> => {
    let loaded = kept.profile;
    try {
      loaded = await load(kept.profile.access_token);
    } catch (error) {
      // No answer: the fan goes on as who they were, and what they do waits in the queue.
      if (!isTemporary(error)) throw error;
    }
    await keep(loaded, kept.isGuest);
    return loaded;
  };

  const takeOver = async (): Promise<OwnProfile | undefined> => {
    const left = sound(parseJson(await legacy?.get(legacyKey)));
    if (!left) return undefined;
    const loaded = await load(left.access_token).catch((error: unknown) => {
      if (error instanceof InvalidTokenError) return undefined;
      throw error;
    });
    if (!loaded || (await keep(loaded, true))) await legacy?.remove(legacyKey);
    return loaded;
  };

  const readDeviceKey = async (): Promise<string> => {
    const kept = await store.get(deviceKeyKey);
    if (kept !== undefined) return kept;
    const made = randomId();
    await store.set(deviceKeyKey, made);
    if (!globalThis.document || globalThis.navigator.locks) return made;
    // Other tabs may be at the same point. All of them read again once all have written, and take the last one's key.
    await delay(400);
    return (await store.get(deviceKeyKey)) ?? made;
  };

  const make = async (): Promise<OwnProfile> => {
    const { nickname } = options;
    const deviceKey = await readDeviceKey();
    const body = { ...(nickname !== undefined && { nickname }), device_key: deviceKey };
    const made = await request<OwnProfile>('POST', path, { token: null, body });
    await keep(made, true);
    // A place of the application's own says whose profile there is: where it has none, there is to be none.
    if (strategy) await store.remove(deviceKeyKey);
    return made;
  };

  const findOrMake = async (): Promise<OwnProfile> => {
    const kept = await readKept();
    if (kept) return resume(kept);
    return withLock(key, async () => {
      const made = await readKept();
      return made ? resume(made) : ((await takeOver()) ?? make());
    });
  };

  const loadPassed = async (accessToken: string): Promise<OwnProfile> => {
    const kept = await readKept();
    if (kept?.profile.access_token === accessToken) return resume(kept);
    const loaded = await load(accessToken);
    await keep(loaded, false);
    return loaded;
  };

  /** A profile that is not the dead token's: one that is kept, or a new one. */
  const startAnew = (dead: string | undefined): Promise<OwnProfile> =>
    withLock(key, async () => {
      const kept = await readKept();
      if (!kept || kept.profile.access_token === dead) return make();
      return resume(kept).catch((error: unknown) => {
        if (error instanceof InvalidTokenError) return make();
        throw error;
      });
    });

  return {
    get profile() {
      return profile;
    },
    start: () =>
      (options.accessToken === undefined ? findOrMake() : loadPassed(options.accessToken)).catch((error: unknown) => {
        if (error instanceof InvalidTokenError && options.onInvalidToken === 'create') return startAnew(tried);
        throw error;
      }),
    create: (fields = {}) => request<OwnProfile>('POST', path, { token: null, body: fields }),
    get former() {
      return former;
    },
    identify,
    async refresh(changed) {
      const merged = { ...changed, access_token: profile?.access_token ?? '' };
      await keep(merged, (await readKept())?.isGuest ?? false);
      return merged;
    },
    async forget() {
      const guest = await readKept(guestKey);
      await strategy?.set(null);
      await legacy?.remove(legacyKey);
      await store.remove(guestKey);
      former = [];
      // The device's own profile comes back, unless it became the account's that is signed out.
      if (guest && guest.profile.id !== profile?.id) await store.set(key, JSON.stringify(guest));
      else {
        await store.remove(deviceKeyKey); // first: whoever has the device next must not get this fan's profile by it
        await store.remove(key);
      }
      profile = undefined;
    },
  };
}
