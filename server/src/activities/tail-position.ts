// A place in the live tail as it stands in a URL.

import { ApiError } from '../errors.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, parseInstant } from '../instant.ts';
import { MAX_ACTIVITY_ID } from './activity.ts';
import { MARK_LENGTH } from './stored-id.ts';
import type { TailPosition } from './activity-store.ts';

export function formatPosition({ receivedAt, profileId, id }: TailPosition): string {
  return Buffer.from(JSON.stringify([receivedAt, profileId, id])).toString('base64url');
}

export function readPosition(text: string): TailPosition {
  const fields = parse(text);
  const [receivedAt, profileId, id] = Array.isArray(fields) ? (fields as unknown[]) : [];
  const at = typeof receivedAt === 'string' ? parseInstant(receivedAt) : undefined;
  const uuid = typeof profileId === 'string' ? readUuid(profileId) : undefined;
  const isId =
    typeof id === 'string' && id.length <= MAX_ACTIVITY_ID * 2 + MARK_LENGTH && !id.includes('\0') && id.isWellFormed();
  if (at === undefined || uuid === undefined || !isId) throw new ApiError('not_found', { detail: 'Invalid cursor.' });
  return { receivedAt: formatInstant(at), profileId: uuid, id };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(String(text), 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
