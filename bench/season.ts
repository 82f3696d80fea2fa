// A season for the benchmarks: profiles and activities in an embedded database that is kept between runs, so that only the
// first one pays for loading. The hottest 5 % of the profiles make half of the activities. Everything but the instant of
// its end is the same in every season; that is the hour of its loading, so that windows which end now hold something.

import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { migrate } from '../server/src/database/migrate.ts';
import { parseInstant, type Instant } from '../server/src/instant.ts';
import { CLIENT_ID, startGrandstand } from './lib.ts';

export interface Season {
  url: string;
  folder: string;
  applicationId: number;
  /** The end of the season. */
  now: Instant;
  stop(): Promise<void>;
}

const LOAD_SETTINGS = { max_wal_size: '8GB', checkpoint_timeout: '30min', maintenance_work_mem: '512MB' };

export interface SeasonOptions {
  profiles: number;
  activities: number;
  /** Where it is kept; default: a folder of the system's for temporary files, by these numbers. */
  folder?: string | undefined;
}

export async function prepareSeason({ profiles, activities, folder: given }: SeasonOptions): Promise<Season> {
  const folder = given ?? join(tmpdir(), `grandstand-season-${profiles}-${activities}`);
  await mkdir(folder, { recursive: true });
  const database = await startEmbedded({ dataDir: folder, settings: { shared_buffers: '1GB', ...LOAD_SETTINGS } });
  const client = new pg.Client({ connectionString: database.url });
  try {
    await migrate(database.url);
    await client.connect();
    const findEnd = async (): Promise<string | undefined> =>
      (await client.query<{ value: string }>("select value from settings where key = 'season'")).rows[0]?.value;
    if ((await findEnd()) === undefined) {
      const server = await startGrandstand({ DATABASE_URL: database.url, ROLE: 'api' }); // makes the application
      await server.stop();
      await fill(client, profiles, activities);
    }
    const { rows } = await client.query<{ id: number }>('select id from applications where client_id = $1', [
      CLIENT_ID,
    ]);
    return {
      url: database.url,
      folder,
      applicationId: rows[0]?.id ?? 0,
      now: parseInstant((await findEnd()) ?? '') ?? 0,
      stop: () => database.stop(),
    };
  } finally {
    await client.end();
  }
}

/** Shares of the activities in percent; types by the platform's names. */
const TYPES: [string, number][] = [
  ['comment-created', 30],
  ['user-reaction-created', 25],
  ['chat-message-created', 15],
  ['session-started', 10],
  ['poll-voted', 8],
  ['quiz-answered', 4],
  ['user-quest-started', 4],
  ['user-quest-completed', 3],
  ['reward-earned', 1],
];

async function fill(client: pg.Client, profiles: number, activities: number): Promise<void> {
  const step = async (what: string, statement: string): Promise<void> => {
    const started = performance.now();
    await client.query(statement);
    console.log(`  ${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  };
  const end = `${new Date().toISOString().slice(0, 13)}:00:00Z`;
  console.log(`loading ${profiles} profiles and ${activities} activities, once`);
  const app = `(select id from applications where client_id = '${CLIENT_ID}')`;
  const indexes = await takeIndexesAway(client);
  await client.query("set work_mem = '256MB'; select setseed(0.5)");
  await step(
    'profiles',
    `
    insert into profiles (id, application_id, ordinal, nickname, folded, words, created_at, updated_at, has_activities)
    select md5('profile' || n)::uuid, ${app}, n, 'Fan ' || n, 'fan ' || n, array_to_tsvector(array[${app} || ':fan', ${app} || ':' || n]), t, t, true
    from (select n, timestamptz '${end}' - random() * interval '180 days' as t from generate_series(0, ${profiles - 1}) n) s`,
  );
  await step(
    'attributes',
    `
    insert into attribute_definitions (id, application_id, key, label, description, category, type, writable_by, visible_to, created_at, updated_at)
    values (gen_random_uuid(), ${app}, 'favourite_team', 'Favourite team', '', 'custom', 'string', 'profile', 'owner', '${end}', '${end}');
    insert into profile_attributes (profile_id, key, value, application_id, ordinal, position, written_by)
    select id, 'favourite_team', (array['lions','tigers','bears','hawks','sharks','wolves','foxes','bulls','rams','owls'])[1 + floor(random() * 10)::int], application_id, ordinal, 0, 'profile'
    from profiles where random() < 0.8;
    update applications set definitions_version = definitions_version + 1;
    update statistics set profiles = (select count(*) from profiles where ordinal % 16 = shard);
    update ordinal_blocks set next_ordinal = ${profiles}`,
  );
  const cases: string[] = [];
  let reached = 0;
  for (const [type, share] of TYPES) {
    reached += share / 100;
    cases.push(
      `when pick < ${reached.toFixed(4)} then (select id from activity_types where application_id = 0 and type = '${type}')`,
    );
  }
  await step(
    'activities',
    `
    insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, received_at)
    select md5('profile' || ordinal)::uuid, 'a' || n, ${app}, ordinal, case ${cases.join(' ')} else 1 end, t, 1, t
    from (
      select n, random() as pick,
        case when random() < 0.5 then floor(random() * ${Math.ceil(profiles / 20)})::int else floor(power(random(), 1.5) * ${profiles})::int end as ordinal,
        timestamptz '${end}' - power(random(), 1.3) * interval '90 days' as t
      from generate_series(1, ${activities}) n) s
    order by t`, // as they came in: what is of one time lies together
  );
  await step(
    'totals',
    `
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
    select profile_id, case when grouping(type_id) = 1 then 0 else type_id end, application_id, ordinal, count(*), sum(value), min(occurred_at), max(occurred_at)
    from activities group by grouping sets ((profile_id, application_id, ordinal, type_id), (profile_id, application_id, ordinal))`,
  );
  await step(
    'marks',
    `
    update profiles p set has_activities = false
    where not exists (select from totals t where t.profile_id = p.id and t.fact_id = 0)`,
  );
  await step('indexes', indexes.join(';\n'));
  await step('vacuum', 'vacuum (analyze)');
  await step('done', `insert into settings (key, value) values ('season', '${end}')`);
}

/** Loading first and indexing afterwards is several times faster. Returns the statements that bring the indexes back. */
async function takeIndexesAway(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ table: string; name: string; definition: string; constraint: string | null }>(`
    select t.relname as table, i.relname as name, pg_get_indexdef(i.oid) as definition, pg_get_constraintdef(c.oid) as constraint
    from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
    left join pg_constraint c on c.conindid = i.oid
    where t.relname in ('activities', 'totals')`);
  for (const { table, name, constraint } of rows) {
    await client.query(constraint === null ? `drop index ${name}` : `alter table ${table} drop constraint ${name}`);
  }
  return rows.map(({ table, name, definition, constraint }) =>
    constraint === null ? definition : `alter table ${table} add constraint ${name} ${constraint}`,
  );
}
