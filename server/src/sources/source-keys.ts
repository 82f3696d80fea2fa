// Which source a key leads to. Asked for with every request, so kept for a few seconds: a change of a source, and the end of
// a key, are seen within that time.

import type { Context } from '../context.ts';
import { hashToken } from '../secrets.ts';
import type { Instant } from '../instant.ts';
import type { Source } from './source.ts';
import * as store from './source-store.ts';

const FRESH_MICROS = 2_000_000;
const MAX_KEPT = 10_000;

export interface SourceKeys {
  byKey(writeKey: string): Promise<Source | undefined>;
  liveLike(id: string): Promise<Source | undefined>;
}

export function createSourceKeys({ db, clock }: Pick<Context, 'db' | 'clock'>): SourceKeys {
  const kept = new Map<string, { source: Source; readAt: Instant }>();
  db.onBroken(() => kept.clear());
  const find = async (
    key: string,
    read: (now: Instant) => Promise<Source | undefined>,
  ): Promise<Source | undefined> => {
    const now = clock.now();
    const known = kept.get(key);
    if (known && now - known.readAt < FRESH_MICROS) return known.source;
    const source = await read(now);
    if (kept.size >= MAX_KEPT) kept.clear();
    if (source) kept.set(key, { source, readAt: now });
    else kept.delete(key);
    return source;
  };
  const quick = { query: db.quick };
  return {
    byKey(writeKey) {
      const hash = hashToken(writeKey);
      return find(hash.toString('hex'), (now) => store.findSourceByKey(quick, hash, now));
    },
    liveLike: (id) => find(id, () => store.findLiveLikeSource(quick, id)),
  };
}
