// The groups that the own profile is in, and word of their changes: a stream of server-sent events while the page is
// visible, a question every few seconds where streams do not get through. Both bring the whole list, and what changed is
// the difference to the list before; so nothing is missed by a connection that broke.

import { InvalidTokenError } from './errors.ts';
import { delay, type Request } from './http.ts';
import type { Page, ProfileGroupMembership } from './resources.ts';

export interface GroupsChange {
  /** All groups of the profile, now. */
  groups: ProfileGroupMembership[];
  /** Against the time before; at first both are empty. */
  entered: ProfileGroupMembership[];
  left: ProfileGroupMembership[];
}

export interface WatchOptions {
  /** Told when the connection fails; it is tried again, but for a dead token. */
  onError?: (error: unknown) => void;
}

export interface OwnGroups {
  list(): Promise<ProfileGroupMembership[]>;
  isMember(group: string): Promise<boolean>;
  /** Calls the listener with the present groups, then upon each change. Returns a function that ends it. */
  watch(listener: (change: GroupsChange) => void, options?: WatchOptions): () => void;
  /** The own profile is another one: listeners hear how its groups differ. */
  renew(): void;
  close(): void;
}

const TIMEOUT = 40_000; // the server says something every 15 seconds

/** `path` names the list of the own profile's groups, once there is a profile. */
export function createOwnGroups(request: Request, path: () => Promise<string>, interval = 10_000): OwnGroups {
  const watchers = new Map<(change: GroupsChange) => void, WatchOptions>();
  let groups: ProfileGroupMembership[] | undefined;
  let running: AbortController | undefined;

  const readAll = async (signal?: AbortSignal): Promise<ProfileGroupMembership[]> => {
    const address = await path();
    const all: ProfileGroupMembership[] = [];
    for (let search: string | null = '?page_size=100'; search;) {
      const { results, next }: Page<ProfileGroupMembership> = await request('GET', address + search, { signal });
      all.push(...results);
      search = next && next.slice(next.indexOf('?'));
    }
    return all;
  };

  const update = (now: ProfileGroupMembership[]): void => {
    const before = groups;
    if (now.some(({ group_id: id }) => !id)) throw now; // a list of something else: whoever calls this asks again
    const change: GroupsChange = {
      groups: now,
      entered: without(now, before ?? now),
      left: without(before ?? now, now),
    };
    groups = now;
    if (before && !change.entered[0] && !change.left[0]) return;
    for (const listener of [...watchers.keys()]) listener(change);
  };

  const stream = async (signal: AbortSignal): Promise<void> => {
    const read = async (response: Response, alive: () => void): Promise<void> => {
      // A portal's page: what is thrown here is "no answer" to the caller of this.
      if (!/event-/.test(response.headers.get('content-type')!)) throw response;
      const reader = response.body!.getReader(); // React Native, which has none, is not asked to stream
      const decoder = new TextDecoder();
      let text = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        alive();
        text += decoder.decode(value, { stream: true });
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data) update(JSON.parse(data) as ProfileGroupMembership[]); // what the server promises
        }
      }
    };
    await request('GET', `${await path()}events/`, {
      headers: { accept: 'text/event-stream' },
      signal,
      timeout: TIMEOUT,
      retries: 0,
      read,
    });
  };

  const run = async (over: AbortSignal): Promise<void> => {
    const page = globalThis.document as Document | undefined; // absent outside of pages
    const canStream = globalThis.navigator?.product !== 'ReactNative';
    while (!over.aborted) {
      // Browsers hold six connections a server: twenty tabs in the background would take them all.
      const attempt = new AbortController();
      const onChange = (): void => {
        if (over.aborted || page?.hidden) attempt.abort();
      };
      page?.addEventListener('visibilitychange', onChange);
      over.addEventListener('abort', onChange);
      try {
        if (!page?.hidden) {
          if (canStream) await stream(attempt.signal);
          else update(await readAll(attempt.signal));
        }
        await delay(canStream ? 1000 : interval, over);
      } catch (error) {
        if (attempt.signal.aborted) continue;
        for (const { onError } of watchers.values()) onError?.(error);
        if (error instanceof InvalidTokenError) return;
        await readAll(over)
          .then(update)
          .catch(() => {});
        await delay(interval * (0.5 + Math.random()), over).catch(() => {});
      } finally {
        page?.removeEventListener('visibilitychange', onChange);
        over.removeEventListener('abort', onChange);
      }
    }
  };

  const stop = (): void => {
    running?.abort();
    running = undefined;
    groups = undefined;
  };

  const start = (): void => {
    const mine = (running = new AbortController());
    void run(mine.signal).finally(() => {
      if (running === mine) stop();
    });
  };

  return {
    list: () => readAll(),
    isMember: async (group) => includes(groups ?? (await readAll()), group),
    watch(listener, options = {}) {
      watchers.set(listener, options);
      if (groups) listener({ groups, entered: [], left: [] });
      if (!running) start();
      return () => {
        watchers.delete(listener);
        if (!watchers.size) stop();
      };
    },
    renew() {
      running?.abort();
      if (watchers.size) start();
    },
    close() {
      watchers.clear();
      stop();
    },
  };
}

/** Whether a list has a group, named by its id, its custom id, or `custom:` and that. */
export const includes = (groups: ProfileGroupMembership[], group: string): boolean =>
  groups.some(({ group_id: id, custom_id: custom }) => [id, custom, custom && `custom:${custom}`].includes(group));

const without = (list: ProfileGroupMembership[], other: ProfileGroupMembership[]): ProfileGroupMembership[] =>
  list.filter(({ group_id: id }) => !other.some((group) => group.group_id === id));
