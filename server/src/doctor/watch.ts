// What a running server knows about its own installation: settings at each question, machine and database as they were a while ago.

import { Gauge } from 'prom-client';
import type { Config } from '../config.ts';
import type { Context } from '../context.ts';
import { createLoop } from '../looping.ts';
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

export const hostOf = ({ databaseUrl }: Pick<Config, 'databaseUrl'>): string | undefined =>
  databaseUrl === undefined ? undefined : URL.canParse(databaseUrl) ? new URL(databaseUrl).hostname : '';

export function watchInstallation(
  context: Pick<Context, 'config' | 'db' | 'log' | 'metrics'>,
  isPooled: boolean,
): Installation {
  const { config, db, log, metrics } = context;
  let seen: Finding[] = [];
  const findings = (): Finding[] => sortFindings([...checkSettings(config), ...seen]);

  const run = async (): Promise<void> => {
    const asked = { isPooled, host: hostOf(config), poolSize: config.databasePoolSize, now: Date.now };
    const found = (await Promise.all([checkMachine(config), checkDatabase(db, asked)])).flat();
    const known = new Set(seen.map(({ check }) => check));
    for (const { check, level, what, action } of found)
      if (level === 'error' && !known.has(check)) log.warn({ check, action }, what);
    seen = found;
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
