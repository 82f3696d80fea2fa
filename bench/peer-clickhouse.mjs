// The five rules of bench/preview.ts in ClickHouse (chdb, in process), in two forms: profiles by UUID with nested `in`, and
// by ordinal with groupBitmap. Loads the CSV files of FOLDER once, then times each statement cold of our own making: ClickHouse
// keeps its marks and file cache, as PostgreSQL keeps its buffers.

import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.env.PEERS, 'package.json'));
const { Session } = require('chdb');
const folder = process.env.FOLDER;
const now = `toDateTime64('${process.env.NOW}', 6, 'UTC')`;
const loaded = existsSync(join(folder, 'clickhouse'));
const session = new Session(join(folder, 'clickhouse'));
const run = (statement) => session.query(statement, 'CSV').trim();

if (!loaded) {
  run('create database bench engine = Atomic');
  run(
    "create table bench.activities (type UInt16, occurred_at DateTime64(6, 'UTC'), profile UUID, ordinal UInt32, value UInt32) engine = MergeTree order by (type, occurred_at)",
  );
  run(
    "create table bench.totals (fact UInt16, profile UUID, ordinal UInt32, count UInt64, last_at DateTime64(6, 'UTC')) engine = MergeTree order by (fact, count)",
  );
  run(
    'create table bench.attributes (key LowCardinality(String), value String, profile UUID, ordinal UInt32) engine = MergeTree order by (key, value)',
  );
  run(
    "create table bench.profiles (profile UUID, ordinal UInt32, created_at DateTime64(6, 'UTC')) engine = MergeTree order by ordinal",
  );
  for (const table of ['activities', 'totals', 'attributes', 'profiles']) {
    run(`insert into bench.${table} select * from file('${join(folder, `${table}.csv`)}', CSV)`);
    run(`optimize table bench.${table} final`);
  }
}

const comments = Number(process.env.COMMENT_TYPE);
const quests = Number(process.env.QUEST_TYPE);
const talkative = (column) =>
  `select ${column} from bench.activities where type = ${comments} and occurred_at > ${now} - interval 7 day and occurred_at <= ${now} group by ${column} having count() >= 10`;
const finishers = (column) => `select ${column} from bench.totals where fact = ${quests} and count >= 5`;
const idle = (column) => `select ${column} from bench.totals where fact = 0 and last_at <= ${now} - interval 30 day`;
const silent = (column) =>
  `select ${column} from bench.profiles where created_at <= ${now} - interval 30 day and ${column} not in (select ${column} from bench.totals where fact = 0)`;
const lions = (column) =>
  `select ${column} from bench.attributes where key = 'favourite_team' and value = '${process.env.TEAM}'`;
const bitmap = (select) => `(select groupBitmapState(ordinal) from (${select}))`;
const inactive = `bitmapOr(${bitmap(idle('ordinal'))}, bitmapAndnot((select groupBitmapState(ordinal) from bench.profiles where created_at <= ${now} - interval 30 day), (select groupBitmapState(ordinal) from bench.totals where fact = 0)))`;

const forms = {
  uuids: [
    `select count() from (${talkative('profile')})`,
    `select count() from (${finishers('profile')})`,
    `select count() from bench.profiles where profile in (${idle('profile')}) or profile in (${silent('profile')})`,
    `select count() from (${lions('profile')})`,
    `select count() from bench.profiles where (profile in (${talkative('profile')}) or profile in (${finishers('profile')}))
       and (profile in (${lions('profile')}) or profile in (${idle('profile')}) or profile in (${silent('profile')}))`,
  ],
  bitmaps: [
    `select bitmapCardinality(${bitmap(talkative('ordinal'))})`,
    `select bitmapCardinality(${bitmap(finishers('ordinal'))})`,
    `select bitmapCardinality(${inactive})`,
    `select bitmapCardinality(${bitmap(lions('ordinal'))})`,
    `select bitmapCardinality(bitmapAnd(bitmapOr(${bitmap(talkative('ordinal'))}, ${bitmap(finishers('ordinal'))}), bitmapOr(${bitmap(lions('ordinal'))}, ${inactive})))`,
  ],
};

process.on('message', (form) => {
  const results = forms[form].map((statement) => {
    const started = performance.now();
    const count = Number(run(statement));
    return { count, ms: performance.now() - started };
  });
  process.send(results);
});
process.send('ready');
