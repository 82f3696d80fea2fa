// The same season at the size of benchmarks, past the services: rows by COPY with the indexes taken away, totals in a few
// statements over all of them. Only into an application without profiles, and while nothing else writes.

import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { formatInstant, parseInstant } from '../instant.ts';
import { PLATFORM_TYPES } from '../rules/platform.ts';
import { parseNumber } from '../rules/values.ts';
import { searchColumns } from '../profiles/search.ts';
import { STATISTICS_SHARDS } from '../applications/application.ts';
import type { Progress } from '../progress.ts';
import { createRandom } from './random.ts';
import { createSeason, type SeasonOptions } from './season.ts';

const CHUNK = 1 << 16;

export async function loadForBench(
  url: string,
  applicationId: number,
  options: SeasonOptions,
  progress: Progress,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'grandstand load' });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from profiles where application_id = $1 limit 1', [applicationId]);
    if (rowCount !== 0) throw new Error('the application has profiles already');
    await client.query("set synchronous_commit = off; set maintenance_work_mem = '512MB'; set work_mem = '256MB'");
    const bringBack = await takeIndexesAway(client);
    const ids = await loadFans(client, applicationId, options, progress);
    await loadActivities(client, applicationId, options, ids, progress);
    const step = progress.begin('Totals and indexes', bringBack.length + 1);
    await client.query(TOTALS, [applicationId]);
    await client.query(TOTALS_OF_ALL, [applicationId]);
    await client.query(UNMARK, [applicationId]);
    await client.query(CONDITIONS, [applicationId]);
    await client.query(STATES, [applicationId]);
    step.advance(1);
    for (const statement of bringBack) {
      await client.query(statement);
      step.advance(1);
    }
    await client.query('vacuum (analyze)');
    step.end('totals and indexes are complete');
  } finally {
    await client.end();
  }
}

async function loadFans(
  client: pg.Client,
  applicationId: number,
  options: SeasonOptions,
  progress: Progress,
): Promise<string[]> {
  const season = createSeason(options);
  const step = progress.begin('Fans', options.profiles);
  const ids = Array.from({ length: options.profiles }, (_, index) => uuidOf(options.seed, index));
  await copy(
    client,
    'profiles (id, application_id, ordinal, nickname, folded, words, custom_id, created_at, updated_at, has_activities)',
    function* () {
      for (const [index, id] of ids.entries()) {
        const { nickname, customId, createdAt } = season.fan(index);
        const at = formatInstant(createdAt);
        const { folded, words } = searchColumns(applicationId, nickname);
        yield [id, applicationId, index, nickname, folded, words, customId, at, at, 'true'];
        if (index % 1000 === 999) step.advance(1000);
      }
    },
  );
  await copy(client, 'custom_ids (custom_id, application_id, profile_id)', function* () {
    for (const [index, id] of ids.entries()) yield [season.fan(index).customId, applicationId, id];
  });
  const columns = 'profile_id, key, value, application_id, ordinal, position, written_by, number, instant';
  await copy(client, `profile_attributes (${columns})`, function* () {
    for (const [index, id] of ids.entries()) {
      for (const [position, { key, value }] of season.fan(index).attributes.entries()) {
        const at = parseInstant(value);
        const number = parseNumber(value) ?? null;
        yield [
          id,
          key,
          value,
          applicationId,
          index,
          position,
          'admin',
          number,
          at === undefined ? null : formatInstant(at),
        ];
      }
    }
  });
  await client.query('update ordinal_blocks set next_ordinal = $2 where application_id = $1', [
    applicationId,
    ids.length,
  ]);
  // Their ordinals are the numbers below their count.
  const shards = Array.from({ length: STATISTICS_SHARDS }, (_, shard) => shard);
  await client.query(
    `update statistics s set profiles = n.profiles from unnest($2::int[], $3::bigint[]) as n (shard, profiles)
     where s.application_id = $1 and s.shard = n.shard`,
    [applicationId, shards, shards.map((shard) => Math.ceil((ids.length - shard) / STATISTICS_SHARDS))],
  );
  step.end(`${ids.length.toLocaleString('en')} fans loaded`);
  return ids;
}

async function loadActivities(
  client: pg.Client,
  applicationId: number,
  options: SeasonOptions,
  ids: readonly string[],
  progress: Progress,
): Promise<void> {
  const types = new Map(PLATFORM_TYPES.map(({ type, id }) => [type, id]));
  const step = progress.begin('Activities', options.activities);
  const columns = 'profile_id, id, application_id, ordinal, type_id, occurred_at, value, data, received_at';
  await copy(client, `activities (${columns})`, function* () {
    let loaded = 0;
    for (const { fan, id, at, type, value, data } of createSeason(options).activities()) {
      const when = formatInstant(at);
      const json = data === null ? null : JSON.stringify(data);
      yield [ids[fan] ?? '', id, applicationId, fan, types.get(type) ?? 0, when, value, json, when];
      if (++loaded % 10_000 === 0) step.advance(10_000);
    }
  });
  step.end(`${options.activities.toLocaleString('en')} activities loaded`);
}

/** Decided by seed and number; of no order, as ids of a grown application are to its ordinals. */
function uuidOf(seed: number, index: number): string {
  const random = createRandom(seed, index, 7);
  const hex = Array.from({ length: 8 }, () => random.int(65_536).toString(16).padStart(4, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

type Row = (string | number | null)[];

async function copy(client: pg.Client, into: string, rows: () => Generator<Row>): Promise<void> {
  const stream = client.query(copyFrom(`copy ${into} from stdin`));
  let text = '';
  for (const row of rows()) {
    text += `${row.map(field).join('\t')}\n`;
    if (text.length < CHUNK) continue;
    if (!stream.write(text)) await once(stream, 'drain');
    text = '';
  }
  stream.end(text);
  await finished(stream);
}

const field = (value: string | number | null): string =>
  value === null ? '\\N' : typeof value === 'number' ? String(value) : value.replace(/[\\\t\n\r]/g, '\\$&');

const TOTALS = `
  insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
  select profile_id, type_id, application_id, ordinal, count(*), sum(value), min(occurred_at), max(occurred_at)
  from activities where application_id = $1 group by profile_id, type_id, application_id, ordinal`;

/** Of every type together, which is fact 0. */
const TOTALS_OF_ALL = `
  insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
  select profile_id, 0, application_id, ordinal, sum(count), sum(sum), min(first_at), max(last_at)
  from totals where application_id = $1 group by profile_id, application_id, ordinal`;

/** Most have activities: all were marked, and the rest is not. */
const UNMARK = `
  update profiles p set has_activities = false
  where application_id = $1 and not exists (select from totals t where t.profile_id = p.id and t.fact_id = 0)`;

const CONDITIONS = `
  insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
  select a.profile_id, f.id, a.application_id, a.ordinal, count(*), sum(a.value), min(a.occurred_at), max(a.occurred_at)
  from facts f join activities a on a.type_id = f.type_id and a.data -> f.key = f.equals
  where a.application_id = $1 and f.application_id in (0, $1) and f.equals is not null
  group by a.profile_id, f.id, a.application_id, a.ordinal`;

/** The season has no states of type datetime, and none of any type. */
const STATES = `
  insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at, state, state_at, state_activity)
  select profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at, state, last_at, id from (
    select a.profile_id, f.id as fact_id, a.application_id, a.ordinal, a.id, a.data -> f.key as state,
      count(*) over (partition by a.profile_id, f.id) as count, sum(a.value) over (partition by a.profile_id, f.id) as sum,
      min(a.occurred_at) over (partition by a.profile_id, f.id) as first_at, max(a.occurred_at) over (partition by a.profile_id, f.id) as last_at,
      row_number() over (partition by a.profile_id, f.id order by a.occurred_at desc, a.id collate "C" desc) as place
    from facts f join activities a on a.type_id = f.type_id and a.data ? f.key
    where a.application_id = $1 and f.application_id in (0, $1) and f.equals is null) s
  where place = 1`;

/** Loading first and indexing afterwards is several times faster. Returns the statements that bring the indexes back. */
async function takeIndexesAway(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ table: string; name: string; definition: string; constraint: string | null }>(`
    select t.relname as table, i.relname as name, pg_get_indexdef(i.oid) as definition, pg_get_constraintdef(c.oid) as constraint
    from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
    left join pg_constraint c on c.conindid = i.oid
    where t.oid in ('activities'::regclass, 'totals'::regclass)`);
  for (const { table, name, constraint } of rows) {
    await client.query(constraint === null ? `drop index ${name}` : `alter table ${table} drop constraint ${name}`);
  }
  return rows.map(({ table, name, definition, constraint }) =>
    constraint === null ? definition : `alter table ${table} add constraint ${name} ${constraint}`,
  );
}
