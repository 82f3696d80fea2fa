// Members of a group at an instant of the past, of a feed of a million changes: the first page with its count, once by the
// plain fold of the whole feed, once from checkpoints, in turn.
// `npx tsx bench/as-of.ts`; CHANGES=100000 makes it smaller, PROFILES says of how many fans.

import { openDatabase, sql } from '../server/src/database/database.ts';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { migrate } from '../server/src/database/migrate.ts';
import { pageOfMembersAsOf } from '../server/src/groups/member-as-of-store.ts';
import { makeCheckpoint } from '../server/src/membership/checkpoints.ts';
import { feedEnd } from '../server/src/membership/fold.ts';
import { findHead } from '../server/src/membership/head.ts';
import { median, report, rounded, temporaryFolder } from './lib.ts';

const CHANGES = Number(process.env['CHANGES'] ?? 1_000_000);
const PROFILES = Number(process.env['PROFILES'] ?? 200_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 7);
const GROUP = '01900000-0000-7000-8000-000000000001';
const START = Date.UTC(2026, 0, 1) * 1000;
/** A change every ten seconds. */
const STEP = 10_000_000;

const folder = await temporaryFolder();
const database = await startEmbedded({ dataDir: folder.path });
await migrate(database.url);
const db = openDatabase({ url: database.url, poolSize: 4, name: 'bench', statementTimeoutMs: 600_000 });

/** Profile n changes at n, n + PROFILES, …: in, out, in, …; a tenth of the fans come ten times as often. */
async function fill(): Promise<void> {
  await db.query(sql`
    insert into profiles (id, application_id, ordinal, nickname, created_at, updated_at)
    select ('01900000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid, 1, n, 'Fan ' || n, '2026-01-01', '2026-01-01'
    from generate_series(0, ${PROFILES - 1}::int) n`);
  await db.query(sql`
    insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
    select ${GROUP}::uuid, 0, n + 1, ('01900000-0000-7000-8001-' || lpad(to_hex(who), 12, '0'))::uuid, who,
      case when (row_number() over (partition by who order by n)) % 2 = 1 then 'entered' else 'left' end,
      to_timestamp((${START}::bigint + n * ${STEP}::bigint) / 1000000.0), 'activity'
    from (
      select n, case when n % 2 = 0 then (n * 7919) % (${PROFILES}::bigint / 10) else (n * 104729) % ${PROFILES}::bigint end as who
      from generate_series(0, ${CHANGES - 1}::bigint) n) c`);
  await db.query(sql`
    insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause) values (${GROUP}, 0, 0, '2026-01-01', 'rule')`);
  await db.query(sql`
    insert into group_heads (group_id, application_id, profile_count, epoch, last_number, base_sequence)
    select ${GROUP}, 1, sum(case change when 'entered' then 1 else -1 end), 0, ${CHANGES}::bigint, 0 from changes`);
  await db.query(sql`analyze`);
}

/** The statements that were there before checkpoints. */
async function plainly(asOf: string): Promise<{ ids: string[]; count: number }> {
  const { rows } = await db.query<{ profile_id: string }>(sql`
    with page as materialized (
      select c.profile_id, c.epoch, c.number from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
      where c.group_id = ${GROUP} and c.epoch <= 0 and c.change = 'entered' and coalesce(c.at, e.switched_at) <= ${asOf}::timestamptz
        and not exists (
          select from changes l join group_epochs f on f.group_id = l.group_id and f.epoch = l.epoch
          where l.group_id = ${GROUP} and l.profile_id = c.profile_id and (l.epoch, l.number) > (c.epoch, c.number)
            and l.epoch <= 0 and coalesce(l.at, f.switched_at) <= ${asOf}::timestamptz)
      order by c.epoch desc, c.number desc limit 21),
    found as materialized (select id, nickname from profiles where id in (select profile_id from page))
    select c.profile_id from page c left join found p on p.id = c.profile_id order by c.epoch desc, c.number desc`);
  const counted = await db.query<{ count: number }>(sql`
    select coalesce(sum(case c.change when 'entered' then 1 else -1 end), 0)::bigint as count
    from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
    where c.group_id = ${GROUP} and c.epoch <= 0 and coalesce(c.at, e.switched_at) <= ${asOf}::timestamptz`);
  return { ids: rows.map((row) => row.profile_id), count: counted.rows[0]?.count ?? -1 };
}

function fromCheckpoints(asOf: number): Promise<{ ids: string[]; count: number }> {
  return db.transaction(
    async (tx) => {
      const head = await findHead(tx, GROUP);
      if (!head) throw new Error('there is no group');
      const page = { size: 20, number: 1, cursor: undefined, wantsCount: true };
      const { rows, count } = await pageOfMembersAsOf(tx, feedEnd(head), asOf, page);
      return { ids: rows.map(({ id }) => id), count: count ?? -1 };
    },
    { isolation: 'repeatable read' },
  );
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await work(), performance.now() - start];
}

try {
  await fill();
  const without = await timed(() => fromCheckpoints(START + CHANGES * STEP));
  const making = performance.now();
  let made = 0;
  while (await makeCheckpoint(db, GROUP, START)) made++;
  const took = performance.now() - making;
  const { rows: bytes } = await db.query<{ parts: number; feed: number }>(sql`
    select pg_total_relation_size('change_checkpoint_parts') as parts, pg_total_relation_size('changes') as feed`);
  const [size] = bytes;
  console.log(
    `  ${made} checkpoints in ${rounded(took / 1000)} s, ${rounded((size?.parts ?? 0) / 1e6)} MB beside a feed of ${rounded((size?.feed ?? 0) / 1e6)} MB; the end without them ${rounded(without[1])} ms`,
  );
  const rows: [string, string, number, string][] = [];
  for (const part of [1, 0.73, 0.31]) {
    const asOf = START + Math.floor(CHANGES * part) * STEP + 5;
    const [before, after]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      const [plain, slow] = await timed(() => plainly(new Date(asOf / 1000).toISOString()));
      const [quick, fast] = await timed(() => fromCheckpoints(asOf));
      if (JSON.stringify(plain) !== JSON.stringify(quick)) throw new Error(`they disagree at ${asOf}`);
      before.push(slow);
      after.push(fast);
    }
    const ratio = median(after.map((value, index) => value / (before[index] ?? NaN)));
    rows.push([
      `first page and count after ${Math.round(part * 100)} % of ${CHANGES.toLocaleString('en')} changes`,
      `${rounded(median(after))} ms against ${rounded(median(before))} ms`,
      ratio,
      'at most 200 ms',
    ]);
  }
  report('Members at an instant, from checkpoints against the plain fold', rows);
} finally {
  await db.close();
  await database.stop();
  await folder.remove();
}
