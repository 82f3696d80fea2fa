// Many profiles in one call, by id or custom id, as an import takes them. Each item succeeds or fails by itself.

import type { Application } from '../applications/application.ts';
import { describeChange } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import { ApiError, type FieldErrors } from '../errors.ts';
import { createPace, type Elements } from '../http/elements.ts';
import { fitRefused } from '../problems.ts';
import { MAX_CUSTOM_ID } from './profile.ts';
import { upsertMany, type Upserted } from './upsert.ts';
import { TakenMeanwhile } from './upsert-store.ts';

export interface BulkResult {
  index: number;
  custom_id: string | null;
  status: Upserted['status'];
  id: string | null;
  access_token?: string;
  errors?: FieldErrors;
}

const ATTEMPTS = 10;

export async function upsertProfiles(
  context: Context,
  application: Application,
  items: Elements,
): Promise<BulkResult[]> {
  const now = context.clock.now();
  const upserted = await attempt(() =>
    context.db.transaction(async (tx) => {
      const done = await upsertMany(tx, context, application, items, { withTokens: true });
      describeChange({ object: { type: 'profile', id: null }, before: {}, after: countStatuses(done) });
      return done;
    }),
  );
  const results: BulkResult[] = [];
  const pace = createPace();
  for (const [index, { status, id, tokenId, errors }] of upserted.entries()) {
    if (pace.isDue()) await pace.turn(); // items are read from their text again
    const customId = customIdOf(items.read(index).value)?.slice(0, MAX_CUSTOM_ID * 2) ?? null;
    const token =
      tokenId === undefined || id === null
        ? undefined
        : context.tokens.sign({ clientId: application.client_id, profileId: id, tokenId, now });
    results.push({
      index,
      custom_id: customId,
      status,
      id,
      ...(token !== undefined && { access_token: token }),
      ...(errors && { errors }),
    });
  }
  return present(results);
}

function countStatuses(results: readonly Upserted[]): Record<string, number> {
  const counts: Record<string, number> = { created: 0, updated: 0, unchanged: 0, rejected: 0 };
  for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Again where somebody else took an id, a custom id or a token meanwhile. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TakenMeanwhile)) throw error;
      if (tries >= ATTEMPTS)
        throw new ApiError('unavailable', { detail: 'These profiles are being changed by others.', retryAfter: 1 });
    }
  }
}

/** Of those that were rejected, as much as an answer may hold. */
function present(results: BulkResult[]): BulkResult[] {
  const rejected = results.filter(({ status }) => status === 'rejected');
  const fitted = fitRefused(rejected, ({ index, status, id }) => ({ index, custom_id: null, status, id }));
  for (const result of fitted) results[result.index] = result;
  return results;
}

function customIdOf(item: unknown): string | null {
  const id = typeof item === 'object' && item !== null && 'custom_id' in item ? item.custom_id : undefined;
  return typeof id === 'string' ? id : null;
}
