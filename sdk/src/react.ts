/**
 * A provider and hooks for React 18 and later. Renders on a server too, as a fan who is still being loaded.
 *
 * @packageDocumentation
 */

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
import { includes } from './groups.ts';
import type { Client, GroupsChange, OwnProfile } from './index.ts';

interface Shared {
  client: Client;
  start(): Promise<OwnProfile>;
}

const Context = createContext<Shared | undefined>(undefined);

export interface GrandstandProviderProps {
  /** From `createClient`, made once and outside of any component. The provider calls its `init`. */
  client: Client;
  children?: ReactNode;
}

/** Gives a client to the hooks below it. */
export function GrandstandProvider({ client, children }: GrandstandProviderProps): ReactElement {
  const shared = useMemo(() => {
    let started: Promise<OwnProfile> | undefined;
    return {
      client,
      start: () =>
        (started ??= client.init().catch((error: unknown) => ((started = undefined), Promise.reject(error as Error)))),
    };
  }, [client]);
  return createElement(Context.Provider, { value: shared }, children);
}

function useShared(): Shared {
  const shared = useContext(Context);
  if (!shared) throw new Error('This hook needs a GrandstandProvider above it.');
  return shared;
}

/** The client of the provider, for `track` and the rest. */
export function useClient(): Client {
  return useShared().client;
}

export interface ProfileState {
  profile: OwnProfile | undefined;
  /** What `init` failed with. */
  error: unknown;
  isLoading: boolean;
  /** Changes the profile, here and on the server. */
  update(options: Parameters<Client['updateUserProfile']>[0]['options']): Promise<OwnProfile>;
  /** The fan signed in; see `Client.identify`. */
  identify(...args: Parameters<Client['identify']>): Promise<OwnProfile>;
}

/** The fan's own profile; made or loaded when the first component asks for it. */
export function useProfile(): ProfileState {
  const { client, start } = useShared();
  const [state, setState] = useState<{ profile?: OwnProfile; error?: unknown }>({});
  useEffect(() => {
    let isCurrent = true;
    start().then(
      (profile) => isCurrent && setState({ profile }),
      (error: unknown) => isCurrent && setState({ error }),
    );
    return () => {
      isCurrent = false;
    };
  }, [start]);
  const update = useCallback<ProfileState['update']>(
    async (options) => {
      const profile = await client.updateUserProfile({ options });
      setState({ profile });
      return profile;
    },
    [client],
  );
  const identify = useCallback<ProfileState['identify']>(
    async (...args) => {
      const profile = await client.identify(...args);
      setState({ profile });
      return profile;
    },
    [client],
  );
  const isLoading = !state.profile && state.error === undefined;
  return { profile: state.profile, error: state.error, isLoading, update, identify };
}

/** Whether the fan is in a group, named by its id or custom id; undefined until that is known. Follows changes. */
export function useIsMember(group: string): boolean | undefined {
  const { client, start } = useShared();
  const store = useMemo(() => {
    let groups: GroupsChange['groups'] | undefined;
    return {
      subscribe(onChange: () => void) {
        let stop: (() => void) | undefined;
        let isOver = false;
        const listen = (): void => {
          if (isOver) return;
          stop = client.onProfileGroupsChange((change) => {
            groups = change.groups;
            onChange();
          });
        };
        start().then(listen, () => {}); // useProfile tells of the error
        return () => {
          isOver = true;
          stop?.();
        };
      },
      read: () => groups && includes(groups, group),
    };
  }, [client, start, group]);
  return useSyncExternalStore(store.subscribe, store.read, () => undefined);
}
