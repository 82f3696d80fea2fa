// The change feed of a group as an async iterator that can be left and taken up again at any sequence.

import { delay, type Request } from './http.ts';
import { iterator } from './pages.ts';
import type { Page } from './resources.ts';
import type { MembershipChange } from './rules.ts';

export interface ChangesOptions {
  /** The sequence that was seen last. Default 0: from the first change on. */
  after?: number;
  /** Goes on with what is yet to come instead of ending. */
  follow?: boolean;
  /** Milliseconds between two questions once everything was read. Default 1000. */
  interval?: number;
  signal?: AbortSignal;
}

const PAGE_SIZE = 1000;

export function followChanges(request: Request, path: string, options: ChangesOptions): AsyncIterableIterator<MembershipChange> {
  const { follow = false, interval = 1000, signal } = options;
  let { after = 0 } = options;
  let rows: MembershipChange[] = [];
  let at = 0;
  let isLast = false;
  return iterator(async () => {
    while (at >= rows.length) {
      if (isLast && !follow) return undefined;
      if (isLast) await delay(interval, signal);
      const page: Page<MembershipChange> = await request('GET', path, { query: { after, page_size: PAGE_SIZE, count: false }, signal });
      rows = page.results;
      at = 0;
      isLast = page.next === null;
    }
    const change = rows[at++];
    after = change?.sequence ?? after;
    return change;
  });
}
