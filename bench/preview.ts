// The exact preview of five rules over a million profiles and twenty million activities, against ClickHouse in process
// (chdb, installed into bench/.peers) on the same data, which stays where `--season` says. `--profiles` and `--activities` take smaller numbers. Prints the
// sums of cold times, their ratios pair by pair, and what a preview costs when one leaf of the last rule changed.
// `--history 90` measures instead what the sizes of so many days cost beside one preview, without a peer.

import { execFileSync, fork } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { to as copyTo } from 'pg-copy-streams';
import { openDatabase, type Database } from '../server/src/database/database.ts';
import { lastDays } from '../server/src/evaluation/past-sizes.ts';
import { createSetReader, inSnapshot, readRuleSet } from '../server/src/evaluation/sets.ts';
import { formatInstant, type Instant } from '../server/src/instant.ts';
import { popcount as sizeOf } from '../server/src/rules/bitset.ts';
import { loadCatalogue } from '../server/src/rules/catalogue-store.ts';
import { compileRule } from '../server/src/rules/compile.ts';
import type { CompiledRule } from '../server/src/rules/evaluate.ts';
import { createPastReader, readPast } from '../server/src/rules/past.ts';
import type { RuleNode } from '../server/src/rules/tree.ts';
import { UTC } from '../server/src/rules/zone.ts';
import { prepareSeason } from './season.ts';
import { median, report, root, rounded } from './lib.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '1000000' },
    activities: { type: 'string', default: '20000000' },
    rounds: { type: 'string', default: '5' },
    season: { type: 'string' },
    history: { type: 'string' },
  },
});

const TEAM = 'lions';
const leaf = {
  talkative: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 10, window: 'P7D' },
  finishers: { attribute: 'total_quests_completed', condition: 'greater_than_or_equal', value: 5 },
  inactive: { attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 30 },
  lions: { attribute: 'favourite_team', condition: 'equals', value: TEAM },
} as const;
const all = (...children: RuleNode['children']): RuleNode => ({ operator: 'AND', children });
const any = (...children: RuleNode['children']): RuleNode => ({ operator: 'OR', children });
const RULES: RuleNode[] = [
  all(any(leaf.talkative)),
  all(any(leaf.finishers)),
  all(any(leaf.inactive)),
  all(any(leaf.lions)),
  all(any(leaf.talkative, leaf.finishers), any(leaf.lions, leaf.inactive)),
];
const CHANGED = all(any(leaf.talkative, { ...leaf.finishers, value: 4 }), any(leaf.lions, leaf.inactive));
const CHANGED_LEAF = all(any({ ...leaf.finishers, value: 4 }));

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const started = performance.now();
  const result = await work();
  return { ms: performance.now() - started, result };
}

async function main(): Promise<void> {
  const season = await prepareSeason({
    profiles: Number(options.profiles),
    activities: Number(options.activities),
    folder: options.season,
  });
  const db = openDatabase({ url: season.url, poolSize: 4, name: 'grandstand bench' });
  try {
    const catalogue = await loadCatalogue(db, season.applicationId);
    if (!catalogue) throw new Error('the season has no application');
    const compile = (tree: RuleNode): CompiledRule =>
      compileRule(tree, { catalogue, groupId: '00000000-0000-7000-8000-000000000000', resolveGroup: () => undefined });
    const rules = RULES.map(compile);
    const size = (rule: CompiledRule, cache?: Map<string, Uint32Array>): Promise<number> =>
      inSnapshot(db, async (client) =>
        sizeOf(
          await readRuleSet(
            await createSetReader(client, { applicationId: season.applicationId, now: season.now }),
            rule,
            cache,
          ),
        ),
      );

    if (options.history !== undefined) {
      await measureHistory(db, season, rules, Number(options.history));
      return;
    }
    const peer = await startPeer(
      db,
      season.applicationId,
      season.now,
      season.folder,
      catalogue.types.get('comment-created')?.id ?? 0,
      catalogue.types.get('user-quest-completed')?.id ?? 0,
    );
    const samples: {
      each: number[];
      shared: number;
      uuids: number[];
      bitmaps: number[];
      again: number;
      leafAlone: number;
    }[] = [];
    for (let round = 0; round <= Number(options.rounds); round++) {
      const each: number[] = [];
      const counts: number[] = [];
      for (const rule of rules) {
        const { ms, result } = await timed(() => size(rule));
        each.push(ms);
        counts.push(result);
      }
      const cache = new Map<string, Uint32Array>();
      const shared = await timed(async () => {
        for (const rule of rules) await size(rule, cache);
      });
      const leafAlone = await timed(() => size(compile(CHANGED_LEAF)));
      const again = await timed(() => size(compile(CHANGED), cache));
      const uuids = await peer.ask('uuids');
      const bitmaps = await peer.ask('bitmaps');
      for (const answer of [uuids, bitmaps]) {
        if (answer.some(({ count }, i) => count !== counts[i]))
          throw new Error(
            `ClickHouse counts ${JSON.stringify(answer.map((a) => a.count))}, we ${JSON.stringify(counts)}`,
          );
      }
      if (round === 0) continue; // both warm their caches
      samples.push({
        each,
        shared: shared.ms,
        uuids: uuids.map((a) => a.ms),
        bitmaps: bitmaps.map((a) => a.ms),
        again: again.ms,
        leafAlone: leafAlone.ms,
      });
    }
    peer.stop();
    const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
    const each = (pick: (sample: (typeof samples)[number]) => number[]): string =>
      RULES.map((_, i) => rounded(median(samples.map((s) => pick(s)[i] ?? NaN)))).join(' + ');
    const seconds = (pick: (sample: (typeof samples)[number]) => number): string =>
      `${rounded(median(samples.map(pick)))} ms`;
    const ratio = (
      a: (sample: (typeof samples)[number]) => number,
      b: (sample: (typeof samples)[number]) => number,
    ): number => median(samples.map((s) => a(s) / b(s)));
    report(`Previews over ${options.profiles} profiles and ${options.activities} activities`, [
      ['each rule by itself', `${each((s) => s.each)} ms`, '', ''],
      ['ClickHouse, UUIDs and nested in', `${each((s) => s.uuids)} ms`, '', ''],
      ['ClickHouse, ordinals and groupBitmap', `${each((s) => s.bitmaps)} ms`, '', ''],
      [
        'sum, each rule by itself / ClickHouse UUIDs',
        `${seconds((s) => sum(s.each))} / ${seconds((s) => sum(s.uuids))}`,
        ratio(
          (s) => sum(s.each),
          (s) => sum(s.uuids),
        ),
        'at most 0.8',
      ],
      [
        'sum, leaves shared as in the product / ClickHouse UUIDs',
        `${seconds((s) => s.shared)} / ${seconds((s) => sum(s.uuids))}`,
        ratio(
          (s) => s.shared,
          (s) => sum(s.uuids),
        ),
        'at most 0.8',
      ],
      [
        'sum, each rule by itself / ClickHouse bitmaps',
        `${seconds((s) => sum(s.each))} / ${seconds((s) => sum(s.bitmaps))}`,
        ratio(
          (s) => sum(s.each),
          (s) => sum(s.bitmaps),
        ),
        'at most 3',
      ],
      [
        'sum, leaves shared as in the product / ClickHouse bitmaps',
        `${seconds((s) => s.shared)} / ${seconds((s) => sum(s.bitmaps))}`,
        ratio(
          (s) => s.shared,
          (s) => sum(s.bitmaps),
        ),
        'at most 3',
      ],
      [
        'again with one leaf changed, beyond that leaf’s own time',
        `${seconds((s) => s.again)} − ${seconds((s) => s.leafAlone)}`,
        `${rounded(median(samples.map((s) => s.again - s.leafAlone)))} ms`,
        'at most 5 ms',
      ],
    ]);
  } finally {
    await db.close();
    await season.stop();
  }
}

/** In pairs, each in a snapshot of its own and with nothing kept. */
async function measureHistory(
  db: Database,
  season: { applicationId: number; now: Instant },
  rules: CompiledRule[],
  days: number,
): Promise<void> {
  const { applicationId, now } = season;
  const ends = lastDays(UTC, now, days).map(({ end }) => end);
  const lines: [string, string, number, string][] = [];
  for (const [index, rule] of rules.entries()) {
    const samples: { one: number; past: number }[] = [];
    for (let round = 0; round <= Number(options.rounds); round++) {
      const one = await timed(() =>
        inSnapshot(db, async (client) => readRuleSet(await createSetReader(client, { applicationId, now }), rule)),
      );
      const past = await timed(() =>
        inSnapshot(db, async (client) =>
          readPast(createPastReader(await createSetReader(client, { applicationId, now }), ends), rule),
        ),
      );
      if (round > 0) samples.push({ one: one.ms, past: past.ms });
    }
    const [past, one] = [median(samples.map((s) => s.past)), median(samples.map((s) => s.one))];
    lines.push([
      `rule ${index + 1}: ${days} days / one preview`,
      `${rounded(past)} ms / ${rounded(one)} ms`,
      median(samples.map((s) => s.past / s.one)),
      '',
    ]);
  }
  report(`Past sizes over ${options.profiles} profiles and ${options.activities} activities`, lines);
}

interface PeerResult {
  count: number;
  ms: number;
}

/** Hands the same rows to ClickHouse as CSV, once a season. */
async function startPeer(
  db: Database,
  applicationId: number,
  now: Instant,
  folder: string,
  comments: number,
  quests: number,
): Promise<{ ask(form: string): Promise<PeerResult[]>; stop(): void }> {
  const peers = join(root, 'bench/.peers/chdb');
  if (!existsSync(join(peers, 'node_modules/chdb'))) {
    execFileSync(
      'npm',
      ['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--prefix', peers, 'chdb@3.4'],
      { stdio: 'inherit' },
    );
  }
  const stamp = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`;
  const tables = {
    activities: `select type_id, ${stamp('occurred_at')}, profile_id, ordinal, value from activities where application_id = ${applicationId}`,
    totals: `select fact_id, profile_id, ordinal, count, ${stamp('last_at')} from totals where application_id = ${applicationId} and last_at is not null`,
    attributes: `select key, value, profile_id, ordinal from profile_attributes where application_id = ${applicationId}`,
    profiles: `select id, ordinal, ${stamp('created_at')} from profiles where application_id = ${applicationId}`,
  };
  if (!existsSync(join(folder, 'clickhouse'))) {
    for (const [name, select] of Object.entries(tables)) {
      await db.withClient((client) =>
        pipeline(
          client.query(copyTo(`copy (${select}) to stdout (format csv)`)),
          createWriteStream(join(folder, `${name}.csv`)),
        ),
      );
    }
  }
  const child = fork(join(root, 'bench/peer-clickhouse.mjs'), [], {
    env: {
      ...process.env,
      PEERS: peers,
      FOLDER: folder,
      NOW: formatInstant(now).replace('T', ' ').replace('Z', ''),
      COMMENT_TYPE: String(comments),
      QUEST_TYPE: String(quests),
      TEAM,
    },
  });
  await once(child, 'message');
  return {
    async ask(form) {
      child.send(form);
      const [results] = (await once(child, 'message')) as [PeerResult[]]; // the peer answers with these
      return results;
    },
    stop: () => void child.kill(),
  };
}

await main();
