// Everything that may befall a profile, at once: merges (short ones and long ones, to and fro, in chains), erasures, imports,
// intake, pins, members, attributes, evaluation, and the bringing over of long histories. Afterwards nothing is lost, left
// over or believed twice. GRANDSTAND_SEED repeats the choices, GRANDSTAND_PROPERTY_SECONDS makes it last.

import { ApiError } from '@grandstand/sdk/server';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { raw, sql } from '../database/database.ts';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { CLIENT_ID } from '../testing/server.ts';
import { createMover } from './mover.ts';

const COMMENT = 'comment-created';
const FANS = 7;
const AT_ONCE = 24;
const MOVES = { atOnce: 6, slice: 3 };
/** Rows of a profile that is not there. */
const TABLES = [
  'activities',
  'totals',
  'members',
  'queue',
  'moves',
  'pins',
  'profile_attributes',
  'profile_tokens',
  'foreign_tokens',
];

describe('what befalls a profile at once', () => {
  let bench: EngineBench;
  let groups: { dynamic: string[]; still: string };
  beforeAll(async () => {
    bench = await createBench({ moves: { ...MOVES, start: false }, env: { RATE_LIMIT_PROFILE: '0' } });
    await bench.server.sdk.attributes.define({ key: 'team', type: 'string' });
    const more = { attribute: 'total_activities', condition: 'greater_than' } as const;
    groups = {
      dynamic: [
        await bench.group({ ...more, value: 8 }),
        await bench.group({ attribute: 'total_comments_posted', condition: 'between', value: [2, 9], window: 'PT2H' }),
        await bench.group({ attribute: 'team', condition: 'equals', value: 'lions' }),
      ],
      still: await bench.staticGroup(),
    };
  });
  afterAll(() => bench.close());

  const sdk = () => bench.server.sdk;
  const database = () => bench.server.app.context.db;

  /** What may be refused, since another one was faster; but never with an answer that says that something broke. */
  async function attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (error instanceof ApiError) expect([404, 409, 400, 401], `${what}: ${error.message}`).toContain(error.status);
      else throw error;
      return false;
    }
  }

  interface Fan extends BenchProfile {
    /** Of activities that were acknowledged under its id. */
    sent: Set<string>;
  }

  async function fans(random: Random): Promise<Fan[]> {
    return Promise.all(
      Array.from({ length: FANS }, async (_, n) => {
        const fields = n % 2 === 0 ? { custom_id: `fan-${crypto.randomUUID()}` } : {};
        const fan: Fan = { ...(await bench.profile(fields)), sent: new Set() };
        await send(fan, random, random.below(12));
        return fan;
      }),
    );
  }

  async function send(fan: Fan, random: Random, count: number): Promise<void> {
    if (count === 0) return;
    const items = Array.from({ length: count }, () => ({
      id: `n${random.below(40)}`, // others have the same ones
      type: random.chance(0.6) ? COMMENT : 'poll-voted',
      profile_id: fan.id,
    }));
    const { rejected } = await sdk().activities.send(items);
    const refused = new Set(rejected.map(({ index }) => index));
    for (const [index, { id }] of items.entries()) if (!refused.has(index)) fan.sent.add(id);
  }

  async function bringIn(of: 'activities' | 'profiles', rows: object[]): Promise<void> {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    const { id } = await sdk().imports.create(of, text, 'application/x-ndjson');
    expect(await sdk().imports.wait(id, { interval: 20 })).toMatchObject({ state: 'done' });
  }

  const mover = () => createMover({ ...bench.server.app.context, log: pino({ level: 'silent' }) }, MOVES);

  function things(random: Random, all: readonly Fan[], erases: boolean): (() => Promise<unknown>)[] {
    const one = random.pick(all);
    const other = random.pick(all);
    const dynamic = random.pick(groups.dynamic);
    return [
      () =>
        attempt('merge', () =>
          sdk().profiles.merge(one.id, {
            into: other.id,
            force: true,
            tokens: random.chance(0.5) ? 'follow' : 'revoke',
          }),
        ),
      () => attempt('merge', () => sdk().profiles.merge(other.id, { into: one.id, force: random.chance(0.5) })),
      () =>
        bringIn(
          'activities',
          [1, 2, 3].map((n) => ({ id: `i${random.below(9)}-${n}`, type: COMMENT, profile_id: one.id })),
        ),
      () =>
        bringIn('profiles', [
          { id: one.id, nickname: 'imported' },
          { id: other.id, nickname: 'too' },
        ]),
      () =>
        attempt('pin', () =>
          sdk().groups.pin(dynamic, one.id, { pin: random.pick(['in', 'out'] as const), reason: 'race' }),
        ),
      () => attempt('unpin', () => sdk().groups.unpin(dynamic, one.id)),
      () => attempt('member', () => sdk().groups.addMembers(groups.still, { profile_ids: [one.id, other.id] })),
      () => send(one, random, 1 + random.below(9)),
      () => attempt('attributes', () => sdk().profiles.setAttributes(one.id, { team: 'lions' })),
      () => bench.tick(),
      () => mover().run(),
      ...(erases ? [() => attempt('erase', () => sdk().profiles.erase(one.id))] : []),
    ];
  }

  it(
    'leaves every profile whole',
    async () => {
      const first = chooseSeed();
      for (const seed of runSeeds(first, 4)) {
        process.stdout.write(`races: seed ${seed}\n`);
        const random = createRandom(seed);
        const all = await fans(random);
        const erases = random.chance(0.5); // what was erased, an import may bring back
        await bench.tick();
        await Promise.all(Array.from({ length: AT_ONCE }, () => random.pick(things(random, all, erases))()));
        while (!(await mover().run()));
        await bench.tick();
        await expectSound();
        await expectAnswers(all, erases);
        bench.clock.advance(3_600_000_000 * random.below(4));
        await bench.tick();
        await expectSound();
      }
    },
    propertyTimeout(),
  );

  async function expectSound(): Promise<void> {
    const { totals, naive } = await totalsAndNaive(database());
    // What is locked while two are merged has a row, of nothing where there was none.
    expect(totals.filter(({ count, is_marked: isMarked }) => count > 0 || isMarked)).toEqual(naive);
    for (const table of TABLES) {
      const { rows } = await database().query(
        sql`select profile_id from ${raw(table)} t where not exists (select from profiles p where p.id = t.profile_id)`,
      );
      expect(rows, table).toEqual([]);
    }
    for (const group of groups.dynamic)
      expect(await sdk().groups.verify(group), group).toMatchObject({ missing: 0, extra: 0 });
    for (const group of [...groups.dynamic, groups.still]) {
      const present = new Set<string>();
      for (const { change, profile_id: id } of await bench.changes(group)) {
        expect(present.has(id), `the feed of ${group} alternates for ${id}`).toBe(change === 'left');
        if (change === 'entered') present.add(id);
        else present.delete(id);
      }
      expect([...present].sort(), group).toEqual(await bench.members(group));
      expect((await bench.show(group)).profile_count, group).toBe(present.size);
    }
  }

  /** What was acknowledged is there, under its own id and the one that it went to; a token is its profile's or dead. */
  async function expectAnswers(all: readonly Fan[], erases: boolean): Promise<void> {
    const get = (path: string, token?: string) =>
      bench.server.call<{ id: string }>('GET', `applications/${CLIENT_ID}/${path}`, { ...(token && { token }) });
    for (const fan of all) {
      const { status, body } = await get(`profiles/${fan.id}/`);
      const own = await get('profile/', fan.token);
      expect([200, 401]).toContain(own.status);
      if (own.status === 200) expect(own.body.id).toBe(body.id);
      if (erases) continue;
      expect(status, fan.id).toBe(200);
      expect(all.map(({ id }) => id)).toContain(body.id);
      const kept = (await sdk().profiles.activities(fan.id, { page_size: 500 }).all()).map(({ id }) => id);
      expect(new Set(kept).size).toBe(kept.length);
      expect(
        [...fan.sent].filter((id) => !kept.includes(id)),
        `lost of ${fan.id}`,
      ).toEqual([]);
    }
  }
});
