// What is asked again and again stays cheap while a hundred thousand rows wait: of the queue only what the answer needs is
// read, a group is explained from its own rules, a saved rule compiles itself alone, and a night reads each leaf once.

import { Registry } from 'prom-client';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import { readAsOf } from '../queue/as-of.ts';
import { findWaiting } from '../statistics/statistics-store.ts';
import { compileRule } from '../rules/compile.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';
import { explainMember } from './explain-member.ts';
import { evaluationGauges } from './meters.ts';
import { verifyNext } from './nightly.ts';
import { BUCKETS } from '../queue/queue.ts';
import { rulesCache } from './rules-cache.ts';
import { verify } from './verify.ts';

const BACKLOG = 120_000;
const NOISY = 999;

interface Plan {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const rowsOfQueue = (plan: Plan): number =>
  (plan['Relation Name'] === 'queue'
    ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops']
    : 0) + (plan.Plans ?? []).reduce((sum, part) => sum + rowsOfQueue(part), 0);

const votes = (value: number, window?: string) => ({
  attribute: 'total_poll_votes',
  condition: 'greater_than_or_equal' as const,
  value,
  ...(window !== undefined && { window }),
});

describe('while much waits', () => {
  let bench: EngineBench;
  let applicationId: number;
  const db = (): Database => bench.server.app.context.db;
  beforeAll(async () => {
    bench = await createBench();
    applicationId = (await bench.server.app.context.applications.get(CLIENT_ID)).id;
  });
  afterAll(() => bench.close());

  /** The same database, and how many rows of the queue its statements looked at. */
  const counted = (): { db: Queryable; rows: () => number } => {
    let rows = 0;
    return {
      rows: () => rows,
      db: {
        async query<Row>(statement: Sql) {
          const explained = await db().query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
            sql`explain (analyze, timing off, format json) ${statement}`,
          );
          rows += rowsOfQueue(explained.rows[0]?.['QUERY PLAN'][0]?.Plan as Plan);
          return db().query<Row>(statement);
        },
      },
    };
  };
  const wait = async (application: number, changed: string, count = BACKLOG): Promise<void> => {
    const now = formatInstant(bench.clock.now());
    await db().query(sql`
      insert into queue (profile_id, bucket, application_id, cause, changed, queued_at, since)
      select gen_random_uuid(), n % 64, ${application}::int, case when n % 10 = 0 then 'clock' else 'activity' end, array[${changed}]::text[], ${now}::timestamptz,
        case when n % 10 = 0 then ${now}::timestamptz end
      from generate_series(1, ${count}::int) n`);
    await db().query(sql`analyze queue`);
  };

  describe('of another application', () => {
    afterAll(() => db().query(sql`truncate queue`));

    it('a state and a figure read their own rows alone', async () => {
      const fan = await bench.profile();
      await bench.group(votes(1));
      await bench.tick();
      await wait(NOISY, 'activity:1');
      await bench.send(fan, 'poll-voted');
      const { db: reading, rows } = counted();
      const asOf = await readAsOf(reading, applicationId);
      expect(asOf).toBeLessThanOrEqual(bench.clock.now());
      expect(await findWaiting(reading, applicationId)).toMatchObject({ rows: 1 });
      expect(rows()).toBeLessThan(20);
    });

    it('and of that one, and of all together, no more than is counted to', async () => {
      const of = counted();
      expect(await readAsOf(of.db, NOISY)).toBeNull();
      expect(of.rows()).toBeLessThan(20);
      const figures = counted();
      const waiting = await findWaiting(figures.db, NOISY);
      expect(waiting.rows).toBe(100_000 + BACKLOG / 10);
      expect(waiting.oldest).not.toBeNull();
      expect(figures.rows()).toBeLessThan(112_200);
      const registry = new Registry();
      const scraped = counted();
      evaluationGauges(registry, { db: scraped.db as Database, clock: bench.clock });
      expect(await registry.metrics()).toContain('grandstand_queue_rows{cause="live"} 100000\n');
      expect(scraped.rows()).toBeLessThan(130_000);
    });
  });

  it('in the application itself, a verification takes the rows that its group reads', async () => {
    const fan = await bench.profile();
    const group = await bench.group(votes(1));
    await bench.tick();
    await bench.send(fan, 'poll-voted');
    await wait(applicationId, 'attribute:which-no-rule-reads');
    let most = 0;
    const watched: Database = {
      ...db(),
      withClient: (work, isolation) =>
        db().withClient((client) => {
          const query = client.query.bind(client) as (...args: unknown[]) => unknown; // one of its overloads
          const watching = Object.create(client, {
            query: {
              value: (...args: unknown[]) => {
                const result = query(...args);
                if (result instanceof Promise)
                  return result.then((answer: { rows?: unknown[] }) => {
                    most = Math.max(most, answer.rows?.length ?? 0);
                    return answer;
                  });
                return result;
              },
            },
          }) as typeof client;
          return work(watching);
        }, isolation),
    };
    const context = { db: watched, clock: bench.clock, rules: rulesCache(watched) };
    expect(await verify(context, applicationId, group)).toMatchObject({ missing: 0, extra: 0 });
    expect(most).toBeLessThan(100);
    await db().query(sql`truncate queue`);
  });

  it('a membership is explained from the rules that it follows from, of however many', async () => {
    const fan = await bench.profile();
    const groups: string[] = [];
    for (let i = 0; i < 12; i++) groups.push(await bench.group(votes(i + 1)));
    await bench.tick();
    const sent: number[] = [];
    const recording: Database = {
      ...db(),
      transaction: (work, options) =>
        db().transaction(
          (tx) =>
            work({
              query: (statement) => {
                for (const value of statement.values) if (Array.isArray(value)) sent.push(value.length);
                return tx.query(statement);
              },
            }),
          options,
        ),
    };
    const { context } = bench.server.app;
    const rules = rulesCache(db());
    await rules.get(applicationId);
    const application = await context.applications.get(CLIENT_ID);
    const { rows } = await db().query<{ application_id: number; id: string }>(
      sql`select * from groups where id = ${groups[0] ?? ''}`,
    );
    const explained = await explainMember(
      { db: recording, clock: bench.clock, rules },
      application,
      rows[0] as unknown as Parameters<typeof explainMember>[2],
      fan.id,
    );
    expect(explained).toMatchObject({ is_member: false });
    expect(Math.max(...sent)).toBe(1);
  });

  it('a saved rule is compiled, and the others stay what they were, until what they read is another', async () => {
    await bench.server.sdk.attributes.define({ key: 'team', label: 'Team', type: 'string', writable_by: 'profile' });
    const [first, second] = [
      await bench.group(votes(1)),
      await bench.group({ attribute: 'team', condition: 'equals', value: 'lions' }),
    ];
    const other = await bench.group({ attribute: 'profile_group', condition: 'in', value: [first] });
    await bench.tick();
    let compiled = 0;
    const rules = rulesCache(db(), (...given) => {
      compiled++;
      return compileRule(...given);
    });
    const of = async () => {
      const all = await rules.refresh(applicationId);
      return [first, second, other].map((id) => all?.groups.get(id)?.served);
    };
    const before = await of();
    expect(compiled).toBeGreaterThanOrEqual(3);
    compiled = 0;
    const added = await bench.group(votes(7));
    await bench.patch(first, { rule_tree: votes(2) });
    await bench.tick();
    const after = await of();
    expect(compiled).toBe(2);
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]).toBe(before[2]);
    expect((await rules.get(applicationId))?.groups.get(added)?.served).toBeDefined();
    await bench.server.sdk.attributes.update('team', { label: 'Side' });
    const changed = await of();
    expect(compiled).toBe(3);
    expect(changed[1]).toBeDefined();
    expect(changed[1]).not.toBe(before[1]);
    expect(changed[2]).toBe(before[2]);
  });

  it('a night takes one snapshot for an application, in which each leaf is read once, and forgets what is old', async () => {
    const fan = await bench.profile();
    await bench.send(fan, 'poll-voted');
    for (let i = 0; i < 4; i++)
      await bench.group({ operator: 'AND', children: [votes(1, 'P3D'), votes(1 + i, 'P9D')] });
    await bench.tick();
    bench.clock.set((Math.floor(bench.clock.now() / MICROS_PER_DAY) + 1) * MICROS_PER_DAY + 3 * 3_600_000_000);
    await bench.tick();
    const ancient = bench.clock.now() - 31 * MICROS_PER_DAY;
    await db().query(sql`
      insert into verifications (group_id, id, at, checked, missing, extra, nightly)
      values (gen_random_uuid(), gen_random_uuid(), ${formatInstant(ancient)}, 1, 0, 0, true),
        (gen_random_uuid(), gen_random_uuid(), ${formatInstant(ancient + 2 * MICROS_PER_DAY)}, 1, 0, 0, true)`);
    let snapshots = 0;
    const scans: string[] = [];
    const watched: Database = {
      ...db(),
      withClient: (work, isolation) =>
        db().withClient((client) => {
          snapshots++;
          const query = client.query.bind(client) as (...args: unknown[]) => unknown; // one of its overloads
          return work(
            Object.create(client, {
              query: {
                value: (...args: unknown[]) => {
                  const { text = '' } = args[0] as { text?: string };
                  if (/^copy .*from activities/s.test(text)) scans.push(text);
                  return query(...args);
                },
              },
            }) as typeof client,
          );
        }, isolation),
    };
    const context = { db: watched, clock: bench.clock, rules: rulesCache(watched), log: pino({ level: 'silent' }) };
    const all = Array.from({ length: BUCKETS }, (_, i) => i);
    while (await verifyNext(context, all));
    expect(snapshots).toBe(1);
    const leaves = [...((await context.rules.get(applicationId))?.groups.values() ?? [])]
      .flatMap((group) => group.served?.leaves ?? [])
      .filter((leaf) => leaf.leaf.attribute === 'total_poll_votes')
      .map((leaf) => leaf.key);
    expect(scans.length).toBe(new Set(leaves).size);
    expect(leaves.length).toBeGreaterThan(scans.length);
    const { rows } = await db().query<{ n: number; old: number }>(sql`
      select count(*) as n, count(*) filter (where checked = 1 and at < ${formatInstant(ancient + MICROS_PER_DAY)}::timestamptz) as old from verifications`);
    expect(rows[0]?.n).toBeGreaterThanOrEqual(5);
    expect(rows[0]?.old).toBe(0);
  });
});
