// The evaluation's own thread: a worker with its own connections, woken and stopped by messages.

import { parentPort, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import { systemClock } from '../clock.ts';
import { openDatabase } from '../database/database.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { countSlice, noCounts } from './meters.ts';
import { rulesCache } from './rules-cache.ts';
import type { FromThread, ThreadData, ToThread } from './thread.ts';
import { createWorker } from './worker.ts';

const POOL_SIZE = 4;
const REPORT_EVERY_MS = 500;
const CLOCK_EVERY_MS = 10_000;

const data = workerData as ThreadData; // given by thread.ts
const log = pino({ level: data.logLevel, base: null }, pino.destination({ dest: 2, sync: false }));
const db = openDatabase({
  url: data.databaseUrl,
  isDistributed: data.isDistributed,
  isPooled: data.isPooled,
  poolSize: POOL_SIZE,
  pipelines: 1,
  name: 'grandstand',
  onError: (error) => log.warn({ err: error }, 'a database connection of the evaluation broke'),
});
const clock = systemClock();
await clock
  .synchronise(db)
  .catch((error: unknown) => log.warn({ err: error }, 'the database’s clock could not be read'));

let counts = noCounts();
const tell = (message: FromThread): void => parentPort?.postMessage(message);
const rules = rulesCache(db);
const worker = createWorker(
  { db, clock, log, rules, dynamicGroups: dynamicGroups({ db, clock, rules }) },
  {
    evaluationInterval: data.evaluationInterval,
    onSlice: (slice) => countSlice(counts, slice, clock.now()),
    onBackfill: (_backfill, outcome, seconds) => void counts.backfills.push({ outcome, seconds }),
  },
);
const report = (): void => {
  if (counts.slices + counts.backfills.length === 0) return;
  tell({ kind: 'counts', counts });
  counts = noCounts();
};
const timers = [
  setInterval(report, REPORT_EVERY_MS),
  setInterval(() => void clock.synchronise(db).catch(() => {}), CLOCK_EVERY_MS),
];
worker.start();

parentPort?.on('message', (message: ToThread) => {
  if (message === 'wake') return worker.wake();
  const stop = async (): Promise<void> => {
    await worker.stop();
    for (const timer of timers) clearInterval(timer);
    report();
    await db.close();
    tell({ kind: 'stopped' });
    parentPort?.close();
  };
  stop().catch((error: unknown) => {
    log.error({ err: error }, 'the evaluation did not stop in order');
    process.exit(1); // of this thread
  });
});
