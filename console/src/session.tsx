// Who is signed in, and the client that speaks for them. A producer's session lives in a cookie that scripts cannot read;
// an admin token is kept by this tab alone and is gone when it closes.

import { createContext, use, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { createClient, ApiError, type Client, type Credential } from './api.ts';
import type { Role, SessionApplication, SessionResource } from './types.ts';

const STORED = 'grandstand.token';

export type SessionState =
  { status: 'loading' } | { status: 'out'; expired: boolean } | { status: 'in'; session: SessionResource };

interface SessionContext {
  state: SessionState;
  client: Client;
  credential: () => Credential | undefined;
  signInWithToken(token: string): Promise<void>;
  signInWithPassword(email: string, password: string): Promise<void>;
  /** Takes over the session whose cookie an answer just set. */
  resume(): Promise<void>;
  signOut(options?: { everywhere?: boolean }): Promise<void>;
  reload(): Promise<void>;
}

const Context = createContext<SessionContext | undefined>(undefined);

function storedToken(): string | undefined {
  try {
    return sessionStorage.getItem(STORED) ?? undefined;
  } catch {
    return undefined;
  }
}

function storeToken(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, token);
  } catch {
    // Storage is off: the token lives as long as the page.
  }
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ status: 'loading' });
  const credential = useRef<Credential | undefined>(undefined);
  const queries = useQueryClient();

  const client = useMemo<Client>(() => {
    const plain = createClient(() => credential.current);
    return {
      async request<T>(path: string, options = {}) {
        try {
          return await plain.request<T>(path, options);
        } catch (error) {
          if (error instanceof ApiError && error.status === 401 && credential.current) {
            storeToken(undefined);
            credential.current = undefined;
            setState((now) => (now.status === 'in' ? { status: 'out', expired: true } : now));
          }
          throw error;
        }
      },
    };
  }, []);

  const enter = useCallback((session: SessionResource, token?: string) => {
    credential.current =
      token === undefined ? { kind: 'cookie', csrfToken: session.csrf_token ?? undefined } : { kind: 'token', token };
    storeToken(token);
    setState({ status: 'in', session });
  }, []);

  const resume = useCallback(async () => {
    enter(await createClient(() => ({ kind: 'cookie', csrfToken: undefined })).request<SessionResource>('session/'));
  }, [enter]);

  const load = useCallback(async () => {
    const token = credential.current?.kind === 'token' ? credential.current.token : storedToken();
    const proofOf: Credential =
      token === undefined ? { kind: 'cookie', csrfToken: undefined } : { kind: 'token', token };
    try {
      enter(await createClient(() => proofOf).request<SessionResource>('session/'), token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
      storeToken(undefined);
      setState({ status: 'out', expired: false });
    }
  }, [enter]);

  useEffect(() => {
    let stopped = false;
    const attempt = (): void => {
      load().catch(() => {
        if (!stopped) setTimeout(attempt, 2_000);
      });
    };
    attempt();
    return () => {
      stopped = true;
    };
  }, [load]);

  const value = useMemo<SessionContext>(
    () => ({
      state,
      client,
      credential: () => credential.current,
      resume,
      reload: load,
      async signInWithToken(token) {
        enter(await createClient(() => ({ kind: 'token', token })).request<SessionResource>('session/'), token);
      },
      async signInWithPassword(email, password) {
        await createClient(() => undefined).request('producers/sessions/', {
          method: 'POST',
          body: { email, password },
          reads: true,
        });
        await resume();
      },
      async signOut({ everywhere = false } = {}) {
        if (credential.current?.kind === 'cookie') {
          await client.request(everywhere ? 'producers/sessions/' : 'producers/session/', { method: 'DELETE' });
        }
        storeToken(undefined);
        credential.current = undefined;
        queries.clear();
        setState({ status: 'out', expired: false });
      },
    }),
    [state, client, enter, resume, load, queries],
  );
  return <Context value={value}>{children}</Context>;
}

export function useSession(): SessionContext {
  const context = use(Context);
  if (!context) throw new Error('useSession outside of SessionProvider');
  return context;
}

// The application whose pages are shown.

interface ApplicationContext extends SessionApplication {
  /** Path below `applications/{client_id}/`. */
  path(rest: string): string;
  /** Address of a page of this application. */
  href(rest: string): string;
  canWrite: boolean;
  isOwner: boolean;
  /** What owners and admin tokens alone may do: webhooks, the audit log. */
  canManage: boolean;
}

const Current = createContext<ApplicationContext | undefined>(undefined);

const may = (role: Role): Pick<ApplicationContext, 'canWrite' | 'isOwner' | 'canManage'> => ({
  canWrite: role !== 'viewer',
  isOwner: role === 'owner',
  canManage: role === 'owner' || role === 'admin',
});

export function ApplicationProvider({
  application,
  children,
}: {
  application: SessionApplication;
  children: ReactNode;
}) {
  const value = useMemo<ApplicationContext>(
    () => ({
      ...application,
      ...may(application.role),
      path: (rest) => `applications/${encodeURIComponent(application.client_id)}/${rest}`,
      href: (rest) => `/apps/${encodeURIComponent(application.client_id)}/${rest}`,
    }),
    [application],
  );
  return <Current value={value}>{children}</Current>;
}

export function useApplication(): ApplicationContext {
  const application = use(Current);
  if (!application) throw new Error('useApplication outside of ApplicationProvider');
  return application;
}
