// What profiles sent before their ids were told apart from those of admins: it stands under the ids as they were sent, and
// is a repeat all the same when it comes again. Asked for as long as profiles may send what is as old as that.

import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { parseInstant } from '../instant.ts';
import { MAX_BACK_FOR_PROFILES } from './activity.ts';
import type { Sender } from './read-items.ts';
import { readStoredId, storedId } from './stored-id.ts';

const NONE: ReadonlySet<string> = new Set();

export function createKnownIds({ db, clock }: Pick<Context, 'db' | 'clock'>) {
  let since: Promise<string | undefined> | undefined;
  const readSince = async (): Promise<string | undefined> => {
    const { rows } = await db.query<{ value: string }>(
      sql`select value from settings where key = 'activity_ids_by_sender_since'`,
    );
    return rows[0]?.value;
  };

  /** Of these stored ids of a batch, those that the profile had sent by then. */
  return async (sender: Sender, ids: readonly string[]): Promise<ReadonlySet<string>> => {
    if (sender.kind !== 'profile' || ids.length === 0) return NONE;
    since ??= readSince().catch((error: unknown) => {
      since = undefined;
      throw error;
    });
    const before = await since;
    if (before === undefined || (parseInstant(before) ?? 0) < clock.now() - MAX_BACK_FOR_PROFILES) return NONE;
    const { rows } = await db.query<{ id: string }>(sql`
      select id from activities
      where profile_id = ${sender.profile.id} and id = any (${ids.map((id) => readStoredId(id).id)}::text[]) and received_at < ${before}`);
    return new Set(rows.map(({ id }) => storedId(id, 'profile')));
  };
}
