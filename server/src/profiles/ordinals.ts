// Every profile has an ordinal, its place in the bitsets of its application. Each process takes them in blocks, and lets them
// go when its database may have become another one: one that took over may not know of a block, and give it to others too.

import type { Database } from '../database/database.ts';
import { takeOrdinals } from './profile-store.ts';

const BLOCK = 500;

export interface Ordinals {
  next(applicationId: number): Promise<number>;
}

export function ordinals(db: Database): Ordinals {
  const blocks = new Map<number, { next: number; end: number }>();
  const fetching = new Map<number, Promise<void>>();

  let generation = 0;
  db.onBroken(() => {
    generation++;
    blocks.clear();
  });

  const refill = async (applicationId: number): Promise<void> => {
    const asked = generation;
    const first = await takeOrdinals(db, applicationId, BLOCK);
    if (asked === generation) blocks.set(applicationId, { next: first, end: first + BLOCK });
  };

  return {
    async next(applicationId) {
      for (;;) {
        const block = blocks.get(applicationId);
        if (block && block.next < block.end) return block.next++;
        let fetch = fetching.get(applicationId);
        if (!fetch) {
          fetch = refill(applicationId).finally(() => fetching.delete(applicationId));
          fetching.set(applicationId, fetch);
        }
        await fetch;
      }
    },
  };
}
