// What a command works on: the product composed without serving, on the database of a running server where there is one.

import { createApp, type GrandstandApp } from '../app.ts';
import { readConfig, type Config } from '../config.ts';
import { EmbeddedError } from '../database/embedded-error.ts';
import { readConnection } from '../database/embedded-place.ts';
import { readSecretKey } from '../secret-key.ts';

export interface OpenedApp {
  app: GrandstandApp;
  /** No server runs on this database, so nothing is evaluated either. */
  isAlone: boolean;
}

/** `firstStart`: whether an empty database gets its first application; a caller that says so shows its credentials. */
export async function openApp({ firstStart = false } = {}): Promise<OpenedApp> {
  const config = readConfig(process.env);
  const quiet: Config = { ...config, role: 'api', logLevel: 'warn' };
  // Its installation is looked at by the server that runs, or by `grandstand doctor`.
  const options = { firstStart, watchesInstallation: false };
  if (config.databaseUrl !== undefined) return { app: await createApp(quiet, options), isAlone: false };
  try {
    return { app: await createApp(quiet, options), isAlone: true };
  } catch (error) {
    const isLocked = error instanceof EmbeddedError && error.code === 'locked';
    const url = isLocked ? readConnection(config.dataDir)?.url : undefined;
    if (url === undefined) throw error;
    const secretKey = config.secretKey ?? (await readSecretKey(config.dataDir));
    return { app: await createApp({ ...quiet, databaseUrl: url, secretKey }, options), isAlone: false };
  }
}

/** Runs the work on an opened product, and closes it whatever happens. */
export async function withApp<T>(work: (opened: OpenedApp) => Promise<T>): Promise<T> {
  const opened = await openApp();
  try {
    return await work(opened);
  } finally {
    await opened.app.close();
  }
}
