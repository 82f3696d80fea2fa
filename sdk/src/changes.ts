// Feeds as async iterators that can be left and taken up again: who entered and left a group, and what everybody does.

import { delay, type Request } from './http.ts';
import { iterator } from './pages.ts';
import type { StoredActivity } from './admin-resources.ts';
import type { Page } from './resources.ts';
import type { MembershipChange } from './rules.ts';

export interface ChangesOptions {
  /** The sequence that was seen last. Default 0: from the first change on. */
  after?: number;
  /** Goes on with what is yet to come instead of ending. */
  follow?: boolean;
  /** Milliseconds between two questions once everything was read. Default 1000. */
  interval?: number;
  /** How many are read at once: 1 to 1000, the default. */
  pageSize?: number;
  signal?: AbortSignal;
}

const PAGE_SIZE = 1000;

export function followChanges<Change extends { sequence: number } = MembershipChange>(
  request: Request,
  path: string,
  options: ChangesOptions,
): AsyncIterableIterator<Change> {
  const { follow = false, interval = 1000, pageSize = PAGE_SIZE, signal } = options;
  let { after = 0 } = options;
  let rows: Change[] = [];
  let at = 0;
  let isLast = false;
  return iterator(async () => {
    while (at >= rows.length) {
      if (isLast && !follow) return undefined;
      if (isLast) await delay(interval, signal);
      const page: Page<Change> = await request('GET', path, {
        query: { after, page_size: pageSize },
        signal,
      });
      rows = page.results;
      at = 0;
      isLast = page.next === null;
    }
    const change = rows[at++];
    after = change?.sequence ?? after;
    return change;
  });
}

export interface TailOptions {
  /** The position that `onPosition` told. Default: the newest activities. */
  after?: string;
  /** Goes on with what is yet to come instead of ending. */
  follow?: boolean;
  /** Milliseconds between two questions once everything was read. Default 1000. */
  interval?: number;
  /** How many are read at once: 1 to 1000, the default. Without `after` that is how many of the newest. */
  pageSize?: number;
  signal?: AbortSignal;
  /** Told when everything before a position was handed out: keep it to go on there after a restart. */
  onPosition?: (after: string) => void;
}

export function followActivities(
  request: Request,
  path: string,
  options: TailOptions,
): AsyncIterableIterator<StoredActivity> {
  const { follow = false, interval = 1000, pageSize = PAGE_SIZE, signal, onPosition } = options;
  let { after } = options;
  let rows: StoredActivity[] = [];
  let at = 0;
  let isRead = false;
  return iterator(async () => {
    while (at >= rows.length) {
      if (isRead) {
        if (after !== undefined) onPosition?.(after);
        if (rows.length === 0) {
          if (!follow) return undefined;
          await delay(interval, signal);
        }
      }
      const page: Page<StoredActivity> = await request('GET', path, { query: { after, page_size: pageSize }, signal });
      isRead = true;
      rows = page.results;
      at = 0;
      after = decodeURIComponent(/[?&]after=([^&]*)/.exec(page.next ?? '')?.[1] ?? '') || after;
    }
    return rows[at++];
  });
}
