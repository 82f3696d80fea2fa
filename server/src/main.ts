// The process: environment in, signals, nothing else.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApp, type GrandstandApp } from './app.ts';
import { ConfigError, readConfig, type Config } from './config.ts';
import { MigrationError } from './database/migrate.ts';
import { EmbeddedError } from './database/embedded.ts';

export async function main(): Promise<void> {
  let app: GrandstandApp | undefined;
  try {
    const config = readConfig(process.env);
    app = await createApp(config);
    stopOnSignals(app);
    const address = await app.http.listen({ host: config.host, port: config.port });
    process.stdout.write(`listening on ${address}\n`);
    await announce(app, config, address);
  } catch (error) {
    await app?.close().catch(() => {});
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof MigrationError || error instanceof EmbeddedError)
    return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    return `PORT: ${error.message}. Another program listens there; choose another port.`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A second signal does not wait. */
function stopOnSignals(app: GrandstandApp): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    app.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/**
 * The credentials of the first start, once, and the first owner's link until somebody used it: on a terminal, else in
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
      'first-start.txt',
      'Shown once, so keep them:',
      'the credentials of the first start are',
      lines.join('\n'),
    );
  }
  if (app.firstOwnerToken !== undefined) {
    const link = `${origin}/invitation#${app.firstOwnerToken}\n`;
    await show(
      config,
      'first-owner.txt',
      'This link makes the first owner of the console:',
      'the link that makes the first owner of the console is',
      link,
    );
  }
}

async function show(config: Config, name: string, title: string, what: string, text: string): Promise<void> {
  if (process.stdout.isTTY) {
    process.stdout.write(`\n${title}\n\n${text}\n`);
    return;
  }
  const file = join(config.dataDir, name);
  await mkdir(config.dataDir, { recursive: true });
  await writeFile(file, text, { mode: 0o600 });
  process.stdout.write(`${what} in ${file}\n`);
}

await main();
