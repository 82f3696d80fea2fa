// `request` as LiveLike's SDK has it: any call of the API, with the page's own token unless `auth` says another.

import { getClient } from './page-client.ts';
import type { Query } from './http.ts';

export interface LiveLikeRequest {
  /** Below the API's root, `applications/…/`. */
  path?: string;
  /** An address of this server, as its answers hold them. */
  url?: string;
  /** GET where nothing is given. */
  method?: string;
  /** From `createUserProfileAuth` or `createPersonalApiAuth`. Default: the page's own profile. */
  auth?: string;
  accessToken?: string | null;
  /** Sent as JSON; a string is sent as it is. */
  data?: unknown;
  queryParams?: Query;
  headers?: Record<string, string>;
}

type Call = <T = unknown>(options: LiveLikeRequest) => Promise<T>;

async function send<T>(method: string, options: LiveLikeRequest): Promise<T> {
  const { path, url, auth, accessToken, data, queryParams: query } = options;
  const { 'Content-Type': contentType, ...headers } = options.headers ?? {};
  const type = contentType ?? (typeof data === 'string' ? 'application/json' : undefined);
  const answer = await getClient().request<T | undefined>(method, url ?? path ?? '', {
    query,
    body: data ?? undefined,
    ...(type && { contentType: type }),
    ...(auth ? { token: null } : accessToken !== undefined && { token: accessToken }),
    headers: { ...headers, ...(auth && { authorization: auth }) },
  });
  return answer ?? ({ ok: true, status: 204 } as T); // what theirs resolves with: the response itself
}

const by =
  (method: string): Call =>
  (options) =>
    send(method, options);

/** Sends a request and resolves to the JSON of its answer; rejects with an ApiError. */
export const request: Call & Record<'get' | 'post' | 'put' | 'patch' | 'delete', Call> = Object.assign(
  <T>(options: LiveLikeRequest) => send<T>(options.method ?? 'GET', options),
  { get: by('GET'), post: by('POST'), put: by('PUT'), patch: by('PATCH'), delete: by('DELETE') },
);

/** The `auth` of a request by a profile's access token. */
export const createUserProfileAuth = (accessToken: string): string => `Bearer ${accessToken}`;

/** The `auth` of a request by an admin access token. Such a token belongs on your back end. */
export const createPersonalApiAuth = (accessToken: string): string => `Token ${accessToken}`;
