// Many profiles at once: an edit of a rule over all of them under the eyes of readers, groups that follow one whose
// members changed by the ten thousand, and windows that end together. MANY_PROFILES makes it more (a million: 1000000).

import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { REFILL_ABOVE } from '../membership/switch.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import type { RuleLeaf } from '../rules/tree.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { addProfiles } from '../testing/profiles.ts';
import { CLIENT_ID } from '../testing/server.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { Killed, mortal } from './testing/mortal.ts';
import { createWorker } from './worker.ts';

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;
const MANY = Number(process.env['MANY_PROFILES'] ?? 20_000);

const bucket = (condition: RuleLeaf['condition'], value: number | [number, number]): RuleLeaf => ({
  attribute: 'random_bucket',
  condition,
  value,
  salt: 's',
});

/** As the contract describes it. */
const bucketOf = (id: string): number =>
  Number(createHash('sha256').update(`s\0${id}`).digest().readBigUInt64BE() % 10_000n);

describe('many profiles', () => {
  let bench: EngineBench;
  let profiles: string[];
  /** The bucket of each profile: a million hashes take seconds in which the server of this process answers nobody. */
  let buckets: number[];
  const db = () => bench.server.app.context.db;
  const among = (low: number, high: number): string[] =>
    profiles.filter((_, index) => (buckets[index] ?? NaN) >= low && (buckets[index] ?? NaN) <= high).sort();
  beforeAll(async () => {
    bench = await createBench();
    profiles = [];
    while (profiles.length < MANY)
      profiles.push(...(await addProfiles(bench.server, Math.min(MANY - profiles.length, 50_000))));
    buckets = profiles.map(bucketOf);
  }, 600_000);
  afterAll(() => bench.close());

  it(
    'a rule edited over all of them shows the old members, then the new ones, never anything else, and only the difference in the feed',
    { timeout: 600_000 },
    async () => {
      const group = await bench.group(bucket('less_than', 5000));
      await bench.tick();
      const before = among(0, 4999);
      const after = among(2500, 7499);
      const difference = before.length + after.length - 2 * among(2500, 4999).length;
      expect(await bench.members(group)).toEqual(before);
      const sequence = before.length;
      await bench.patch(group, { rule_tree: bucket('between', [2500, 7499]) });

      const truths = new Map([
        [before.length, { name: 'before', ids: new Set(before) }],
        [after.length, { name: 'after', ids: new Set(after) }],
      ]);
      expect(truths.size).toBe(2); // else a count would not tell which
      const seen = new Set<string>();
      let latest = 'before';
      const look = async (): Promise<void> => {
        const pages = Math.floor(Math.min(before.length, after.length) / 1000);
        const page = 1 + Math.floor(Math.random() * pages);
        const { body } = await bench.server.call<{ count: number; results: { id: string }[] }>(
          'GET',
          `${GROUPS}${group}/members/?page_size=1000&page=${page}`,
        );
        const truth = truths.get(body.count);
        expect(truth, `a count of ${body.count}`).toBeDefined();
        expect(body.results.filter(({ id }) => !truth?.ids.has(id))).toEqual([]);
        expect(body.results).toHaveLength(1000);
        seen.add(truth?.name ?? '');
        if (latest === 'after') expect(truth?.name).toBe('after');
        latest = truth?.name ?? '';
        expect([before.length, after.length]).toContain((await bench.show(group)).profile_count);
        const feed = await bench.server.call<{ count: number }>('GET', `${GROUPS}${group}/changes/?after=${sequence}`);
        expect([0, difference]).toContain(feed.body.count);
      };
      let done = false;
      const reading = (async () => {
        while (!done) await look();
      })();
      await bench.tick();
      done = true;
      await reading;
      await look();
      expect([...seen]).toEqual(['before', 'after']);

      const changes = await bench.changes(group, sequence);
      const of = (change: string): string[] =>
        changes
          .filter((row) => row.change === change)
          .map((row) => row.profile_id)
          .sort();
      expect(of('left')).toEqual(among(0, 2499));
      expect(of('entered')).toEqual(among(5000, 7499));
      expect(changes.map((row) => row.sequence)).toEqual(changes.map((_, index) => sequence + 1 + index));
      expect(new Set(changes.map((row) => `${row.cause} ${row.at}`)).size).toBe(1);
      expect(changes[0]?.cause).toBe('rule');
      expect((await bench.server.call('POST', `${GROUPS}${group}/verify/`)).body).toEqual({
        checked: MANY,
        missing: 0,
        extra: 0,
      });
    },
  );

  it(
    'groups that read one whose members changed by the ten thousand are filled again, one after the other, whatever dies on the way',
    { timeout: 600_000 },
    async () => {
      const inner = await bench.group(bucket('less_than', 4000));
      const reading = (id: string, condition: 'not_in') => ({ attribute: 'profile_group', condition, value: [id] });
      const middle = await bench.group(reading(inner, 'not_in'));
      const outer = await bench.group(reading(middle, 'not_in'));
      await bench.tick();
      const [old, young] = [among(0, 3999), among(4000, 9999)];
      expect(profiles.length).toBeGreaterThan(REFILL_ABOVE);
      expect(await bench.members(outer)).toEqual(old);
      await bench.patch(inner, { rule_tree: bucket('greater_than_or_equal', 4000) });

      const { clock } = bench;
      let deaths = 0;
      for (let statements = 12; ; statements = Math.ceil(statements * 1.6)) {
        await db().query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`);
        const dying = mortal(db(), statements);
        const worker = createWorker({
          db: dying.db,
          clock,
          log: pino({ level: 'silent' }),
          dynamicGroups: dynamicGroups({ db: dying.db, clock }),
        });
        const died = await worker.tick().then(
          () => false,
          (error: unknown) => {
            if (!(error instanceof Killed)) throw error;
            return true;
          },
        );
        worker.abandon();
        // Each of them is where it was or where it is to be, and a reader is never ahead of what it reads.
        const counts: number[] = [];
        for (const id of [inner, middle, outer]) {
          const members = await bench.members(id);
          expect((await bench.show(id)).profile_count).toBe(members.length);
          expect([old.join(), young.join()]).toContain(members.join());
          counts.push(members.length);
        }
        const moved = [counts[0] === young.length, counts[1] === old.length, counts[2] === young.length];
        expect(moved).toEqual(moved.toSorted().toReversed());
        // Who is to follow knows it from the very switch on, and says up to when it is right.
        for (const [place, id] of [middle, outer].entries()) {
          if (moved[place] !== true || moved[place + 1] === true) continue;
          const { evaluation } = await bench.show(id);
          const switched = (await bench.changes([inner, middle][place] ?? '', profiles.length)).at(-1)?.at ?? '';
          expect(evaluation?.state).toBe('filling');
          expect(evaluation?.as_of && evaluation.as_of <= switched).toBe(true);
        }
        if (!died) break;
        deaths++;
      }
      expect(deaths).toBeGreaterThan(3);
      await db().query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`);
      await bench.tick();
      for (const [place, id] of [inner, middle, outer].entries()) {
        expect(await bench.members(id)).toEqual(place === 1 ? old : young);
        expect((await bench.show(id)).evaluation).toMatchObject({ state: 'live', progress: null, last_error: null });
        const feed = await bench.changes(id);
        expect(feed.map((row) => row.sequence)).toEqual(feed.map((_, index) => index + 1));
        // By one switch, not profile by profile.
        const followed = feed.slice(-MANY);
        expect(new Set(followed.map((row) => `${row.cause} ${row.at}`)).size).toBe(1);
        expect(followed[0]?.cause).toBe('rule');
        expect((await bench.server.call('POST', `${GROUPS}${id}/verify/`)).body).toMatchObject({
          missing: 0,
          extra: 0,
        });
      }
    },
  );

  it('ten thousand windows that end within a second end at their instants, and hold up nobody who does something meanwhile', async () => {
    const ENDING = 10_000;
    const group = await bench.group({
      attribute: 'total_chat_messages',
      condition: 'greater_than',
      value: 0,
      window: 'P1D',
    });
    const at = bench.clock.now();
    await db().query(sql`
      with done as (
        insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value)
        select p.id, 'w', p.application_id, p.ordinal, (select id from activity_types where type = 'chat-message-created' and application_id = 0),
          ${formatInstant(at)}::timestamptz + n * interval '90 microseconds', 1
        from unnest(${profiles.slice(0, ENDING)}::uuid[]) with ordinality as i (id, n) join profiles p on p.id = i.id
        returning profile_id, application_id, ordinal, type_id, occurred_at),
      marked as (update profiles set has_activities = true where id in (select profile_id from done))
      insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
      select profile_id, fact_id, application_id, ordinal, 1, 1, occurred_at, occurred_at
      from done cross join lateral (values (0), (type_id)) as f (fact_id)`);
    bench.clock.advance(20 * MICROS_PER_SECOND);
    await bench.tick();
    expect((await bench.show(group)).profile_count).toBe(ENDING);
    bench.clock.set(at + MICROS_PER_DAY + 30 * MICROS_PER_SECOND);

    const { clock } = bench;
    const slices: string[][] = [];
    const worker = createWorker(
      { db: db(), clock, log: pino({ level: 'silent' }), dynamicGroups: dynamicGroups({ db: db(), clock }) },
      { onSlice: (slice) => void slices.push(slice.changes.map((change) => change.profileId)) },
    );
    await db().query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`);
    const sent = new Map<string, number>();
    let done = false;
    const sending = (async () => {
      for (const id of profiles.slice(ENDING)) {
        if (done) return;
        await bench.send({ id, token: '' }, 'chat-message-created');
        sent.set(id, slices.length);
      }
    })();
    await worker.tick();
    done = true;
    await sending;
    await worker.tick();
    await worker.stop();
    // The slice at hand, one of the clock's that was read with it, and then whoever did something.
    const waited = [...sent].map(([id, before]) => slices.findIndex((slice) => slice.includes(id)) - before);
    expect(Math.max(...waited)).toBeLessThanOrEqual(2);
    const clocks = slices.findLastIndex((slice) => slice.includes(profiles[ENDING - 1] ?? ''));
    expect([...sent.values()].filter((before) => before < clocks).length).toBeGreaterThan(3);

    expect(await bench.members(group)).toEqual([...sent.keys()].sort());
    const { rows } = await db().query<{ ended: number; exact: number }>(sql`
      select count(*) as ended, count(*) filter (where c.at = a.occurred_at + interval '24 hours' and c.cause = 'clock') as exact
      from changes c join activities a on a.profile_id = c.profile_id and a.id = 'w'
      where c.group_id = ${group} and c.change = 'left'`);
    expect(rows).toEqual([{ ended: ENDING, exact: ENDING }]);
  });
});
