// A device key is a second credential, for apps whose store may lose the access token and not the key: with it the creation of
// a profile answers the one that it made before. It stands for the token that was answered with it: it dies where that is
// revoked or its profile erased, and follows it into another profile by a merge. Whoever has one that nobody made gets a
// new profile, as without: there is nothing to be learnt by guessing.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ApiError, invalid, readAll } from '../errors.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { formatInstant, startOfDay } from '../instant.ts';
import { orItsTarget } from './alias-store.ts';
import * as store from './device-key-store.ts';
import { MAX_DEVICE_KEY, MIN_DEVICE_KEY, type NewProfileFields, type Profile, type Writer } from './profile.ts';
import { findProfileByToken, type NewDeviceKey } from './profile-store.ts';
import { customIdTaken, insertProfile, readNew, type CreatedProfile } from './profile-service.ts';

const KEY = new RegExp(`^[A-Za-z0-9._~+/=-]{${MIN_DEVICE_KEY},${MAX_DEVICE_KEY}}$`);
/** Of random text this long fewer are never seen. */
const MIN_DISTINCT = 8;
const MAX_ATTEMPTS = 5;

/** The key, or undefined where none was sent; throws what is wrong with it, without repeating it. */
function readDeviceKey({ device_key: key, custom_id: customId }: NewProfileFields): string | undefined {
  if (key == null) return undefined;
  if (!KEY.test(key) || new Set(key).size < MIN_DISTINCT) {
    throw invalid(
      'device_key',
      `This must be ${MIN_DEVICE_KEY} to ${MAX_DEVICE_KEY} random characters of A-Z a-z 0-9 . _ ~ + / = -: whoever knows it gets the profile.`,
    );
  }
  if (customId != null)
    throw invalid('device_key', 'A profile with a custom_id has no device key: its custom id finds it again.');
  return key;
}

/** A call that may make a profile, read; throws every problem of it. */
export function readAsked(catalogue: Catalogue, fields: NewProfileFields, writer: Writer) {
  const [read, key] = readAll(
    () => readNew(catalogue, fields, writer),
    () => readDeviceKey(fields),
  );
  return { read, key };
}

/** A new profile, or the one that the device key made before: exactly one, however many ask at once. */
export async function createOrRecover(
  context: Context,
  application: Application,
  asked: NewProfileFields,
  writer: Writer,
  network: Buffer | null,
): Promise<CreatedProfile & { isNew: boolean }> {
  const { read, key } = readAsked(await context.catalogues.get(application.id), asked, writer);
  const create = (deviceKey?: NewDeviceKey) => {
    const insert = () => insertProfile(context, application, read, { network, deviceKey });
    return writer === 'admin' ? insert() : context.creationLimits.within(application, insert);
  };
  if (key === undefined) {
    const made = await create();
    if (!made) throw customIdTaken(asked.custom_id ?? '');
    return { ...made, isNew: true };
  }
  const hash = context.secrets.fingerprint(`device-key:${application.id}`, key);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const kept = await store.findDeviceKey(context.db.own, application.id, hash);
    const profile = kept && (await findHolder(context, application, kept));
    if (kept && profile) return { ...(await recover(context, application, profile, kept.token_id)), isNew: false };
    const made = await create({ hash, replaces: kept?.token_id ?? null });
    if (made) return { ...made, isNew: true };
    // Another request with the same key was faster: the next turn finds its profile.
  }
  throw new ApiError('unavailable', { retryAfter: 1 });
}

function findHolder(
  context: Context,
  application: Application,
  { profile_id: id, token_id: tokenId }: store.DeviceKey,
): Promise<Profile | undefined> {
  const { own } = context.db;
  return orItsTarget(own, id, (current) => findProfileByToken(own, application.id, current, tokenId));
}

async function recover(
  { db, clock, tokens }: Context,
  application: Application,
  profile: Profile,
  tokenId: string,
): Promise<CreatedProfile> {
  const now = clock.now();
  // Not in the request's transaction: nobody waits for its end to be counted.
  await store.countRecovered(db, application.id, formatInstant(startOfDay(now)));
  // The same token by its id: it is revoked as that one is.
  return {
    profile,
    accessToken: tokens.sign({ clientId: application.client_id, profileId: profile.id, tokenId, now }),
  };
}
