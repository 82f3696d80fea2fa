// Lists of any length as async iterators. A page that cannot be read fails the step, not the iteration: calling next()
// again, or going on with the same iterator, asks for the same page, so nothing is lost or seen twice.

import type { Query, Request, RequestOptions } from './http.ts';
import type { Page } from './resources.ts';

export interface List<T> extends AsyncIterable<T> {
  /** The pages themselves, for their `count` or to show one at a time. */
  pages(): AsyncIterableIterator<Page<T>>;
  /** Everything, or the first `limit`. */
  all(limit?: number): Promise<T[]>;
}

export type ListOptions = Pick<RequestOptions, 'signal' | 'token' | 'timeout'>;

export function list<T>(request: Request, path: string, query: Query = {}, options: ListOptions = {}): List<T> {
  const pages = (): AsyncIterableIterator<Page<T>> => {
    // The next page's address as the server sees itself may not be ours; its query is.
    let search: string | null = '';
    return iterator(async () => {
      if (search === null) return undefined;
      const page: Page<T> = await request<Page<T>>(
        'GET',
        path + search,
        search === '' ? { ...options, query } : options,
      );
      search = page.next && page.next.slice(page.next.indexOf('?'));
      return page;
    });
  };
  const items = (): AsyncIterableIterator<T> => {
    const source = pages();
    let rows: T[] = [];
    let at = 0;
    return iterator(async () => {
      while (at >= rows.length) {
        const page = await source.next();
        if (page.done) return undefined;
        rows = page.value.results;
        at = 0;
      }
      return rows[at++];
    });
  };
  return {
    pages,
    [Symbol.asyncIterator]: items,
    async all(limit = Infinity) {
      const all: T[] = [];
      const source = items();
      while (all.length < limit) {
        const { done, value } = await source.next();
        if (done) break;
        all.push(value as T); // not done: there is a value
      }
      return all;
    },
  };
}

/** An iterator over what `step` resolves to, until that is undefined. Unlike a generator's it survives a failed step. */
export function iterator<T>(step: () => Promise<T | undefined>): AsyncIterableIterator<T> {
  let isDone = false;
  return {
    async next() {
      const value = isDone ? undefined : await step();
      if (value !== undefined) return { done: false, value };
      isDone = true;
      return { done: true, value: undefined };
    },
    async return() {
      isDone = true;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
