// Backups by themselves: one whenever an interval that is counted from midnight UTC has begun since the newest good one was made. What
// is there is asked of the store, so a server that starts anew goes on where the one before it stopped.

import { Counter, Gauge } from 'prom-client';
import type { BackupConfig } from '../backup-config.ts';
import type { Context } from '../context.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { createLoop } from '../looping.ts';
import { listBackups, openStore, type BackupStore, type StoredBackup } from './backup-store.ts';
import { makeBackup, type MadeBackup } from './make-backup.ts';

export interface BackupChores {
  start(): void;
  /** Makes one where it is due. */
  run(): Promise<MadeBackup | undefined>;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 60_000;
const FIRST_MS = 60_000;
/** After one that failed, unless they are made more often anyway. */
const AGAIN_AFTER = 15 * 60 * MICROS_PER_SECOND;

/** Undefined where none are asked for. */
export function createBackupChores(
  { clock, config, log, metrics }: Pick<Context, 'clock' | 'config' | 'log' | 'metrics'>,
  options: { store?: BackupStore } = {},
): BackupChores | undefined {
  let newest: StoredBackup | undefined;
  let failedAt: Instant | undefined;
  let round: Promise<unknown> = Promise.resolve();

  const outcomes = new Counter({
    name: 'grandstand_backups_total',
    help: 'Backups that this server began by itself, by outcome: made, failed.',
    labelNames: ['outcome'],
    registers: [metrics.registry],
  });
  for (const outcome of ['made', 'failed']) outcomes.inc({ outcome }, 0);
  const gauge = (name: string, help: string, value: (backup: StoredBackup) => number): void => {
    new Gauge({
      name,
      help,
      registers: [metrics.registry],
      collect() {
        this.set(newest ? value(newest) : NaN);
      },
    });
  };
  gauge(
    'grandstand_backup_age_seconds',
    'Age of the newest good backup; NaN until there is one.',
    ({ at }) => (clock.now() - at) / MICROS_PER_SECOND,
  );
  gauge('grandstand_backup_bytes', 'Size of the newest good backup; NaN until there is one.', ({ bytes }) => bytes);

  const { backup: settings, dataDir } = config;
  if (settings === undefined) return undefined;
  const store = options.store ?? openStore(settings.target);

  const look = async (): Promise<void> => {
    newest = (await listBackups(store)).find(({ isGood }) => isGood);
  };
  const makeOne = async (): Promise<MadeBackup> => {
    const made = await makeBackup({ ...settings, dataDir, store, log, now: () => clock.now() });
    log.info({ backup: made.name, bytes: made.report.bytes }, 'a backup was made');
    return made;
  };
  const doRound = async (): Promise<MadeBackup | undefined> => {
    const now = clock.now();
    if (failedAt !== undefined && now - failedAt < Math.min(AGAIN_AFTER, settings.every)) return undefined;
    try {
      await look();
      if (newest && !isDue(newest.at, now, settings.every)) return undefined;
      const made = await makeOne();
      failedAt = undefined;
      outcomes.inc({ outcome: 'made' });
      await look();
      return made;
    } catch (error) {
      failedAt = now;
      outcomes.inc({ outcome: 'failed' });
      throw error;
    }
  };
  const run = (): Promise<MadeBackup | undefined> => {
    const next = round.catch(() => {}).then(doRound);
    round = next;
    return next;
  };
  const loop = createLoop(() => run().then(() => false), {
    restMs: LOOK_EVERY_MS,
    firstMs: FIRST_MS,
    onError: (error) => log.error({ err: error }, 'a backup failed; it is tried again'),
  });
  return {
    start: loop.start,
    run,
    async stop() {
      await loop.stop();
      await round.catch(() => {});
    },
  };
}

/** Whether an interval of the day (or one of several days) began after `last`. A day that is no whole number of intervals begins anew. */
export function isDue(last: Instant, now: Instant, every: BackupConfig['every']): boolean {
  const dayOf = (instant: Instant): number => Math.floor(instant / MICROS_PER_DAY);
  if (every >= MICROS_PER_DAY) return Math.floor(now / every) > Math.floor(last / every);
  if (dayOf(now) !== dayOf(last)) return now > last;
  return Math.floor((now % MICROS_PER_DAY) / every) > Math.floor((last % MICROS_PER_DAY) / every);
}
