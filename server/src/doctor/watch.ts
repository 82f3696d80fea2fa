// What a running server knows about its own installation: settings at each question, machine and database as they were a while ago.

import { Gauge } from 'prom-client';
import type { Context } from '../context.ts';
import { createLoop } from '../looping.ts';
import { checkBackups } from './backups.ts';
import { checkDatabase } from './database.ts';
import { sortFindings, type Finding, type Level } from './finding.ts';
import { checkMachine } from './machine.ts';
import { checkSettings } from './settings.ts';

export interface Installation {
  /** The gravest first. */
  findings(): Finding[];
  /** What has to be seen to: without notes. */
  warnings(): Finding[];
  start(): void;
  /** Looks now. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

const INTERVAL_MS = 600_000;
const FIRST_MS = 5_000;

export function watchInstallation(
  context: Pick<Context, 'clock' | 'config' | 'db' | 'log' | 'metrics'>,
  isPooled: boolean,
): Installation {
  const { clock, config, db, log, metrics } = context;
  const since = clock.now();
  /** As each was found when it could be asked last: a disk is full also while the database is away. */
  const seen: Record<'machine' | 'database' | 'backups', Finding[]> = { machine: [], database: [], backups: [] };
  const findings = (): Finding[] => sortFindings([...checkSettings(config), ...Object.values(seen).flat()]);

  const look = async (at: keyof typeof seen, check: () => Promise<Finding[]>): Promise<void> => {
    const found = await check();
    const known = new Set(seen[at].map((finding) => finding.check));
    for (const { check: name, level, what, action } of found)
      if (level === 'error' && !known.has(name)) log.warn({ check: name, action }, what);
    seen[at] = found;
  };
  const run = async (): Promise<void> => {
    await look('machine', () => checkMachine(config));
    await look('backups', () => checkBackups(config, clock.now(), { since }));
    await look('database', () => checkDatabase(db, config, isPooled));
  };
  const loop = createLoop(run, {
    restMs: INTERVAL_MS,
    firstMs: FIRST_MS,
    onError: (error) => log.warn({ err: error }, 'looking at the installation failed; it is tried again'),
  });

  new Gauge({
    name: 'grandstand_installation_findings',
    help: 'What grandstand doctor would find, by level: error, warning, note.',
    labelNames: ['level'],
    registers: [metrics.registry],
    collect() {
      const all = findings();
      for (const level of ['error', 'warning', 'note'] satisfies Level[])
        this.set({ level }, all.filter((finding) => finding.level === level).length);
    },
  });

  return {
    findings,
    warnings: () => findings().filter(({ level }) => level !== 'note'),
    start: loop.start,
    run,
    stop: loop.stop,
  };
}
