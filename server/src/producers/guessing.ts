// Against guessing passwords. Attempts are counted by where they come from, so that a stranger who knows an e-mail address
// does not keep out who is known: a device that signed in before (by its cookie) counts by itself; so does each address; all
// strangers of one e-mail address also count together; and a live session that changes its password counts only what it
// tried itself. All of it is the same whether or not anybody has the e-mail address.

import type { Context } from '../context.ts';
import { ApiError } from '../errors.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { hashToken, randomText } from '../secrets.ts';
import * as store from './producer-store.ts';

/** Attempts of one address a minute, whatever the e-mail address, in this process. */
const PER_ADDRESS = 20;
const MAX_ADDRESSES = 10_000;
/** Wrong passwords of one source until it waits, and of all strangers of one e-mail address together. */
const PER_SOURCE = 5;
const PER_EMAIL = 50;
const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** How long a device or an address stays known after it was last used. */
export const KNOWN_FOR = 90 * DAY;
const MAX_DEVICES = 20;
/** Of a lock, from the first one on; it counts from the last attempt, and an hour without one forgets all. */
const LOCKS = [1, 2, 4, 8, 15].map((minutes) => minutes * MINUTE);
const CLEAN_EVERY = 50;

/** Where an attempt comes from. */
export interface Source {
  address: string;
  /** The device's cookie, if it has one. */
  device: string | undefined;
}

export interface Guessing {
  /** Throws 429 where this was one attempt too many. Call before the password is looked at. */
  signIn(email: string, source: Source): Promise<Attempt>;
  /** As signIn, for a session that is live: the attempts of others never lock it. */
  inSession(sessionId: string): Promise<Attempt>;
}

export interface Attempt {
  /** The password was right: its source starts anew. */
  succeeded(): Promise<void>;
}

export function guessing(context: Pick<Context, 'db' | 'clock' | 'secrets' | 'config'>): Guessing {
  const { db, clock, secrets } = context;
  const limitAddress = createAddressLimit(context);
  const hash = (...parts: string[]): Buffer => secrets.fingerprint('sign-in', parts.join('\0'));
  let attempts = 0;

  const count = async (bucket: Buffer, limit: number): Promise<void> => {
    const now = clock.now();
    if (++attempts % CLEAN_EVERY === 0) await store.forgetOldAttempts(db, formatInstant(now - DAY));
    const counted = await store.countAttempt(db, bucket, {
      limit,
      now: formatInstant(now),
      forgottenBefore: formatInstant(now - HOUR),
      locks: LOCKS.map((length) => formatInstant(now + length)),
    });
    if (counted) return;
    const until = (await store.findLock(db, bucket)) ?? now;
    throw new ApiError('throttled', {
      detail: 'Too many attempts for this e-mail address. Wait, then try again.',
      retryAfter: (until - now) / SECOND,
    });
  };
  const forgets = (bucket: Buffer): Attempt => ({ succeeded: () => store.forgetAttempts(db, bucket) });

  return {
    async signIn(email, source) {
      const now = clock.now();
      const device = source.device === undefined ? null : hashToken(source.device);
      const known = await store.findKnownSource(db, email, {
        device,
        address: addressHash(context, source.address),
        since: formatInstant(now - KNOWN_FOR),
      });
      if (known.device && device) {
        const bucket = hash('device', device.toString('hex'));
        await count(bucket, PER_SOURCE);
        return forgets(bucket);
      }
      limitAddress(source.address, now);
      const bucket = hash('address', email, source.address);
      await count(bucket, PER_SOURCE);
      if (!known.address) await count(hash('e-mail', email), PER_EMAIL);
      return forgets(bucket);
    },
    async inSession(sessionId) {
      const bucket = hash('session', sessionId);
      await count(bucket, PER_SOURCE);
      return forgets(bucket);
    },
  };
}

const addressHash = ({ secrets }: Pick<Context, 'secrets'>, address: string): Buffer =>
  secrets.fingerprint('sign-in address', address);

/** Remembers where a producer signed in; returns the device's cookie, a new one where it has none that is this producer's. */
export async function remember(
  context: Pick<Context, 'db' | 'clock' | 'secrets'>,
  producerId: string,
  { device, address }: Source,
): Promise<string> {
  const now = context.clock.now();
  const row = { producer_id: producerId, address_hash: addressHash(context, address), now: formatInstant(now) };
  if (device !== undefined && (await store.touchDevice(context.db.own, { ...row, token_hash: hashToken(device) })))
    return device;
  const token = randomText(43);
  await store.insertDevice(context.db.own, { ...row, token_hash: hashToken(token) });
  await store.deleteOldDevices(context.db.own, producerId, formatInstant(now - KNOWN_FOR), MAX_DEVICES);
  return token;
}

function createAddressLimit({ config }: Pick<Context, 'config'>): (address: string, now: Instant) => void {
  const byAddress = new Map<string, { since: Instant; count: number }>();
  return (address, now) => {
    if (config.limits.perAddress === 0) return;
    const entry = byAddress.get(address);
    if (!entry || entry.since <= now - MINUTE) {
      if (byAddress.size >= MAX_ADDRESSES) byAddress.clear();
      byAddress.set(address, { since: now, count: 1 });
    } else if (++entry.count > PER_ADDRESS) {
      throw new ApiError('throttled', {
        detail: 'Too many attempts from this address. Wait a minute.',
        retryAfter: (entry.since + MINUTE - now) / SECOND,
      });
    }
  };
}
