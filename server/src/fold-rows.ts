// Folds the nicknames and names that an older version wrote, in the background of a start. Two processes that do it at once
// do no harm. Until it has come by, such a row is not found by what it is called; everything else is as always.

import type { Logger } from 'pino';
import { sql, type Queryable } from './database/database.ts';
import { fold } from './fold.ts';
import { searchColumns } from './profiles/search.ts';

const AT_ONCE = 500;

export interface Folding {
  /** Resolves when all are folded, or it was stopped. */
  done: Promise<void>;
  stop(): Promise<void>;
}

export function foldRows(db: Queryable, log: Logger): Folding {
  let stopping = false;
  const all = async (): Promise<void> => {
    for (let folded = AT_ONCE; folded > 0 && !stopping;) folded = await foldProfiles(db);
    for (let folded = AT_ONCE; folded > 0 && !stopping;) folded = await foldGroups(db);
  };
  const done = all().catch((error: unknown) => {
    if (!stopping) log.warn({ err: error }, 'folding names for searches failed; the next start tries it again');
  });
  return {
    done,
    stop() {
      stopping = true;
      return done;
    },
  };
}

async function foldProfiles(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ id: string; application_id: number; nickname: string }>(
    sql`select id, application_id, nickname from profiles where folded is null limit ${AT_ONCE}`,
  );
  if (rows.length === 0) return 0;
  const columns = rows.map((row) => searchColumns(row.application_id, row.nickname));
  await db.query(sql`
    update profiles p set folded = f.folded, words = f.words::tsvector
    from unnest(${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.nickname)}::text[],
      ${columns.map((row) => row.folded)}::text[], ${columns.map((row) => row.words)}::text[]) as f (id, nickname, folded, words)
    where p.id = f.id and p.nickname = f.nickname and p.folded is null`);
  return rows.length;
}

async function foldGroups(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ id: string; name: string }>(
    sql`select id, name from groups where folded is null limit ${AT_ONCE}`,
  );
  if (rows.length === 0) return 0;
  await db.query(sql`
    update groups g set folded = f.folded
    from unnest(${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.name)}::text[], ${rows.map((row) => fold(row.name))}::text[])
      as f (id, name, folded)
    where g.id = f.id and g.name = f.name and g.folded is null`);
  return rows.length;
}
