// Many profiles in one call, by id or custom id, as an import takes them. Each item succeeds or fails by itself.

import type { Application } from '../applications/application.ts';
import { describeChange } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import type { FieldErrors } from '../errors.ts';
import type { Elements } from '../http/elements.ts';
import { fitRefused } from '../problems.ts';
import { MAX_CUSTOM_ID } from './profile.ts';
import { upsertAgain, upsertMany, type Upserted } from './upsert.ts';

export interface BulkResult {
  index: number;
  custom_id: string | null;
  status: Upserted['status'];
  id: string | null;
  access_token?: string;
  errors?: FieldErrors;
}

export async function upsertProfiles(
  context: Context,
  application: Application,
  items: Elements,
): Promise<BulkResult[]> {
  const now = context.clock.now();
  // Each item is read from its text once: what the answer says of it is noted then.
  const customIds: (string | null)[] = [];
  const noting: Elements = {
    length: items.length,
    read(index) {
      const read = items.read(index);
      customIds[index] = customIdOf(read.value)?.slice(0, MAX_CUSTOM_ID * 2) ?? null;
      return read;
    },
  };
  const upserted = await upsertAgain(() =>
    context.db.transaction(async (tx) => {
      const done = await upsertMany(tx, context, application, noting, { withTokens: true });
      describeChange({ object: { type: 'profile', id: null }, before: {}, after: countStatuses(done) });
      return done;
    }),
  );
  const results = upserted.map(({ status, id, tokenId, errors }, index): BulkResult => {
    const token =
      tokenId === undefined || id === null
        ? undefined
        : context.tokens.sign({ clientId: application.client_id, profileId: id, tokenId, now });
    return {
      index,
      custom_id: customIds[index] ?? null,
      status,
      id,
      ...(token !== undefined && { access_token: token }),
      ...(errors && { errors }),
    };
  });
  return present(results);
}

function countStatuses(results: readonly Upserted[]): Record<string, number> {
  const counts: Record<string, number> = { created: 0, updated: 0, unchanged: 0, rejected: 0 };
  for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
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
