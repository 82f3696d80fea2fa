// Against guessing: so many attempts an address a minute in this process, and a lock by e-mail address in the database,
// which is the same whether or not the address is known.

import type { Context } from '../context.ts';
import { ApiError } from '../errors.ts';
import { formatInstant } from '../instant.ts';
import * as store from './producer-store.ts';

const PER_ADDRESS = 20;
const MINUTE = 60_000_000;
const DAY = 86_400_000_000;
const MAX_ADDRESSES = 10_000;

export interface Guessing {
  /** Throws 429 where this was one attempt too many. Call before the password is looked at. */
  attempt(email: string, address: string): Promise<void>;
  succeeded(email: string): Promise<void>;
}

export function guessing(context: Pick<Context, 'db' | 'clock' | 'secrets' | 'config'>): Guessing {
  const byAddress = new Map<string, { since: number; count: number }>();
  const hash = (email: string): Buffer => context.secrets.fingerprint('sign-in', email);

  const limitAddress = (address: string, now: number): void => {
    if (context.config.limits.perAddress === 0) return;
    const entry = byAddress.get(address);
    if (!entry || entry.since <= now - MINUTE) {
      if (byAddress.size >= MAX_ADDRESSES) byAddress.clear();
      byAddress.set(address, { since: now, count: 1 });
    } else if (++entry.count > PER_ADDRESS) {
      throw new ApiError('throttled', {
        detail: 'Too many attempts from this address. Wait a minute.',
        retryAfter: (entry.since + MINUTE - now) / 1_000_000,
      });
    }
  };

  return {
    async attempt(email, address) {
      const now = context.clock.now();
      limitAddress(address, now);
      if (await store.countAttempt(context.db, hash(email), formatInstant(now))) return;
      const until = (await store.findLock(context.db, hash(email))) ?? now;
      throw new ApiError('throttled', {
        detail: 'Too many attempts for this e-mail address. Wait, then try again.',
        retryAfter: (until - now) / 1_000_000,
      });
    },
    async succeeded(email) {
      await store.forgetAttempts(context.db, hash(email));
      await store.forgetOldAttempts(context.db, formatInstant(context.clock.now() - DAY));
    },
  };
}
