// The process: environment in, signals, nothing else.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from 'pino';
import { createApp, type GrandstandApp } from './app.ts';
import { ConfigError, VARIABLES, readConfig, type Config } from './config.ts';
import { makeFolders } from './database/make-folders.ts';
import { MigrationError } from './database/migrate.ts';
import { EmbeddedError } from './database/embedded.ts';
import { FIRST_OWNER_FILE, FIRST_START_FILE } from './data-files.ts';
import { readFirstOwnerToken } from './first-owner.ts';
import { createLog } from './log.ts';

export async function main({ demo = false } = {}): Promise<void> {
  let app: GrandstandApp | undefined;
  const stopper = stopWhenTold(
    async () => app?.close(),
    () => app?.context.log ?? createLog('fatal'),
  );
  try {
    const config = readConfig(process.env);
    let firstStart: GrandstandApp['firstStart'];
    if (demo && config.role !== 'worker') {
      // Before anything is served or evaluated: the season is played by a clock of its own.
      app = await createApp({ ...config, role: 'api' }, { watchesInstallation: false });
      ({ firstStart } = app);
      process.stdout.write(`${await fillDemo(app)}\n`);
      await app.close();
      app = undefined;
    }
    if (stopper.isAsked()) return await stopper.stop();
    app = await createApp(config);
    if (stopper.isAsked()) return await stopper.stop();
    const address = await listen(app, config);
    process.stdout.write(`listening on ${address}\n`);
    await announce({ ...app, firstStart: firstStart ?? app.firstStart }, config, address);
    process.stdout.write(nextStep(app, config, address));
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
    await app?.close().catch(() => {});
    process.exit();
  }
}

async function listen(app: GrandstandApp, { host, port }: Config): Promise<string> {
  try {
    return await app.http.listen({ host, port });
  } catch (error) {
    const advice = error instanceof Error && 'code' in error ? CANNOT_LISTEN[String(error.code)] : undefined;
    if (!advice) throw error;
    throw new ConfigError(`${advice[0]}: ${(error as Error).message}. ${advice[1]}`); // advice is given to errors only
  }
}

const CANNOT_LISTEN: Record<string, [keyof typeof VARIABLES, string]> = {
  EADDRINUSE: ['PORT', 'Another program listens there; choose another port.'],
  EACCES: ['PORT', 'This user may not listen there; choose a port above 1023.'],
  EADDRNOTAVAIL: ['HOST', 'This machine has no such address; 0.0.0.0 stands for all that it has.'],
  ENOTFOUND: ['HOST', 'Give an address of this machine; 0.0.0.0 stands for all that it has.'],
  EAI_AGAIN: ['HOST', 'Give an address of this machine; 0.0.0.0 stands for all that it has.'],
};

/** What an operator is told: the message alone where it says what to do. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof MigrationError || error instanceof EmbeddedError)
    return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

interface Stopper {
  /** The start is over: from here on a signal stops at once. Whether one came before. */
  isAsked(): boolean;
  stop(): Promise<never>;
}

/** So long a stop after an uncaught error may take: what is broken may never end. */
const LAST_RESORT_MS = 30_000;

/**
 * The first signal stops in good order, one that comes while starting as soon as that is done; a second one does not wait.
 * An uncaught error does the same as a signal, is logged, and ends with 1: what it left undone is not known, so
 * going on would be worse than starting anew.
 */
function stopWhenTold(close: () => Promise<void>, log: () => Logger): Stopper {
  let asked = false;
  let started = false;
  const stop = async (): Promise<never> => {
    await close().catch((error: unknown) => {
      process.stderr.write(`${explain(error)}\n`);
      process.exitCode = 1;
    });
    process.exit();
  };
  const onSignal = (): void => {
    if (asked) process.exit(1);
    asked = true;
    if (started) stop().catch(() => process.exit(1));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // Also of promises: Node turns an unhandled rejection into this.
  process.on('uncaughtException', (error) => {
    log().fatal({ err: error }, 'uncaught error: the process stops');
    if (process.exitCode === undefined) setTimeout(() => process.exit(1), LAST_RESORT_MS).unref();
    process.exitCode = 1;
    if (asked) return;
    asked = true;
    if (started) stop().catch(() => process.exit(1));
  });
  return {
    isAsked() {
      started = true;
      return asked;
    },
    stop,
  };
}

/**
 * The credentials of the first start, once, and the first owner's link until it was used: on a terminal, else in
 * files that only their owner reads.
 */
async function announce(app: GrandstandApp, config: Config, address: string): Promise<void> {
  const origin = config.publicUrl ?? address;
  if (app.firstStart) {
    const { clientId, clientSecret, adminToken } = app.firstStart;
    const lines = [
      `console        ${origin}/`,
      `client id      ${clientId}`,
      `client secret  ${clientSecret}`,
      `admin token    ${adminToken}`,
      '',
    ];
    await show(
      config,
      FIRST_START_FILE,
      'Shown once, so keep them:',
      'the credentials of the first start are',
      lines.join('\n'),
    );
  }
  if (app.firstOwnerToken !== undefined) {
    const link = `${origin}/invitation#${app.firstOwnerToken}\n`;
    await show(
      config,
      FIRST_OWNER_FILE,
      'This link makes the first owner of the console:',
      'the link that makes the first owner of the console is',
      link,
      (await readFirstOwnerToken(config.dataDir)) === app.firstOwnerToken,
    );
  }
}

async function show(
  config: Config,
  name: string,
  title: string,
  what: string,
  text: string,
  isWritten = false,
): Promise<void> {
  if (process.stdout.isTTY) {
    process.stdout.write(`\n${title}\n\n${text}\n`);
    return;
  }
  const file = join(config.dataDir, name);
  if (!isWritten) {
    makeFolders(config.dataDir, 0o755);
    await writeFile(file, text, { mode: 0o600 });
  }
  process.stdout.write(`${what} in ${file}\n`);
}

/** What a reader who has just started it does now. */
function nextStep(app: GrandstandApp, config: Config, address: string): string {
  if (config.role === 'worker') return '';
  const origin = config.publicUrl ?? address;
  const link = process.stdout.isTTY ? 'the link above' : `the link in ${join(config.dataDir, FIRST_OWNER_FILE)}`;
  const next = app.firstOwnerToken === undefined ? 'sign in there' : `open ${link} and create your account`;
  return `\n  console  ${origin}/\n  next     ${next}\n  docs     ${origin}/docs/\n\n`;
}

/** Says what is there now. */
async function fillDemo(app: GrandstandApp): Promise<string> {
  const [{ runDemo }, { openProgress }, { findApplication }] = await Promise.all([
    import('./demo/demo.ts'),
    import('./progress.ts'),
    import('./commands/find-application.ts'),
  ]);
  const application = await findApplication(app.context, undefined);
  const options = { profiles: 1000, activities: 20_000, seed: 1 };
  await runDemo(app.context, application, options, openProgress());
  return `The demo season is in the application “${application.name}” (${application.client_id}).`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
