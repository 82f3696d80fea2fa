// The past of a group, told twice: by folding its whole feed as it was seen so far, change by change, and by the pages of
// `as_of`. Every way through the pages must agree.

import { expect } from 'vitest';
import { sql, type Database, type Queryable } from '../../database/database.ts';
import type { PageRequest } from '../../database/page.ts';
import { MEMBER_AS_OF_ORDER, pageOfMembersAsOf, type MemberAsOf } from '../../groups/member-as-of-store.ts';
import type { Instant } from '../../instant.ts';
import type { Random } from '../../testing/random.ts';
import { feedEnd } from '../fold.ts';
import { findHead } from '../head.ts';

interface Row {
  sequence: number;
  epoch: number;
  number: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: Instant;
}

export interface Past {
  /** Reads what is new in the feed and compares some instants. */
  check(random: Random, instants?: number): Promise<void>;
}

export function rememberPast(db: Database, groupId: string): Past {
  const feed: Row[] = [];
  return {
    check: (random, instants = 3) =>
      db.transaction(
        async (tx) => {
          const head = await findHead(tx, groupId);
          if (!head) return;
          feed.push(...(await readFeed(tx, groupId, feed.length)));
          expect(feed.length).toBe(head.base_sequence + head.last_number);
          for (let i = 0; i < instants; i++) {
            const asOf = chooseInstant(feed, random);
            const plan = `as of ${asOf}, ${feed.length} changes`;
            const expected = foldPlainly(feed, asOf);
            const list = (page: Partial<PageRequest>): Promise<{ rows: MemberAsOf[]; count: number | undefined }> =>
              pageOfMembersAsOf(
                tx,
                feedEnd(head),
                asOf,
                { size: 100, number: 1, cursor: undefined, wantsCount: true, ...page },
                1 + random.below(4),
              );
            const whole = await list({});
            expect(whole.count, plan).toBe(expected.length);
            expect(whole.rows.map(told), plan).toEqual(expected.map(told));
            if (random.chance(0.3)) await turnPages(list, expected, 1 + random.below(3), random, plan);
          }
        },
        { isolation: 'repeatable read' },
      ),
  };
}

const told = (row: { epoch: number; number: number; id: string; membership_created_at: Instant }): string =>
  `${row.epoch}/${row.number} ${row.id} ${row.membership_created_at}`;

async function turnPages(
  list: (page: Partial<PageRequest>) => Promise<{ rows: MemberAsOf[] }>,
  expected: ReturnType<typeof foldPlainly>,
  size: number,
  random: Random,
  plan: string,
): Promise<void> {
  const cursorAt = (row: MemberAsOf, backwards: boolean): Partial<PageRequest> => ({
    size,
    wantsCount: false,
    cursor: { key: MEMBER_AS_OF_ORDER.key(row), backwards, count: null, extra: null },
  });
  const all: string[] = [];
  let rows = (await list({ size })).rows;
  for (let number = 1; rows.length > 0; number++) {
    const shown = rows.slice(0, size);
    if (random.chance(0.3)) {
      const byNumber = (await list({ size, number })).rows.slice(0, size);
      expect(byNumber.map(told), `page ${number} ${plan}`).toEqual(shown.map(told));
    }
    all.push(...shown.map(told));
    const [first, last] = [shown[0] as MemberAsOf, shown.at(-1) as MemberAsOf]; // of at least one
    if (random.chance(0.3)) {
      const before = (await list(cursorAt(first, true))).rows.slice(0, size).reverse();
      const end = all.length - shown.length;
      expect(before.map(told), `before page ${number} ${plan}`).toEqual(
        expected.slice(Math.max(0, end - size), end).map(told),
      );
    }
    rows = (await list(cursorAt(last, false))).rows;
  }
  expect(all, plan).toEqual(expected.map(told));
}

/** Those whose last change up to the instant was an entry, newest first. */
function foldPlainly(feed: readonly Row[], asOf: Instant) {
  const members = new Map<string, Row>();
  for (const row of feed) {
    if (row.at > asOf) continue;
    if (row.change === 'entered') members.set(row.profile_id, row);
    else members.delete(row.profile_id);
  }
  return [...members.values()]
    .sort((a, b) => b.sequence - a.sequence)
    .map(({ epoch, number, profile_id: id, at }) => ({ epoch, number, id, membership_created_at: at }));
}

/** Mostly the very instant of a change, or one beside it. */
function chooseInstant(feed: readonly Row[], random: Random): Instant {
  const newest = feed.reduce((max, row) => Math.max(max, row.at), 0);
  if (feed.length === 0 || random.chance(0.2)) return newest + random.below(3);
  return random.pick(feed).at + random.pick([0, 0, 1, -1]);
}

async function readFeed(tx: Queryable, groupId: string, after: number): Promise<Row[]> {
  const { rows } = await tx.query<Row>(sql`
    select e.base_sequence + c.number as sequence, c.epoch, c.number, c.change, c.profile_id, coalesce(c.at, e.switched_at) as at
    from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
    where c.group_id = ${groupId} and e.base_sequence + c.number > ${after}::bigint order by c.epoch, c.number`);
  return rows;
}
