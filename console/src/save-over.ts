// Saving something that others change too: never over a state that one has not seen.

import { ApiError, type Client } from './api.ts';

const ATTEMPTS = 5;

/**
 * A PATCH over what was seen. Where it changed since, the newer state is fetched: if `isKnown` says that nothing in it is
 * news to this form, the same is tried over that; else `onNewer` gets it, and the 412 is thrown.
 */
export async function saveOver<T extends { updated_at: string }>(
  client: Client,
  path: string,
  body: unknown,
  seen: T,
  isKnown: (newer: T) => boolean,
  onNewer: (newer: T) => void,
): Promise<T> {
  let over = seen;
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.request<T>(path, { method: 'PATCH', body, headers: { 'if-match': `"${over.updated_at}"` } });
    } catch (error) {
      if (!isLate(error)) throw error;
      over = await client.request<T>(path);
      if (isKnown(over) && attempt < ATTEMPTS) continue;
      onNewer(over);
      throw error;
    }
  }
}

/** Somebody else was faster. */
export const isLate = (error: unknown): boolean => error instanceof ApiError && error.status === 412;
