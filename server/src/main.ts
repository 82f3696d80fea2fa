// The process: environment in, signals, nothing else.

import { writeFile } from 'node:fs/promises';
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
  if (error instanceof ConfigError || error instanceof MigrationError || error instanceof EmbeddedError) return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return `PORT: ${error.message}. Another program listens there; choose another port.`;
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

/** The credentials of the first start, once: on a terminal, else in a file that only its owner reads. */
async function announce(app: GrandstandApp, config: Config, address: string): Promise<void> {
  if (!app.firstStart) return;
  const { clientId, clientSecret, adminToken } = app.firstStart;
  const text = [`console        ${address}/`, `client id      ${clientId}`, `client secret  ${clientSecret}`, `admin token    ${adminToken}`, ''].join('\n');
  if (process.stdout.isTTY) {
    process.stdout.write(`\nShown once, so keep them:\n\n${text}\n`);
    return;
  }
  const file = join(config.dataDir, 'first-start.txt');
  await writeFile(file, text, { mode: 0o600 });
  process.stdout.write(`the credentials of the first start are in ${file}\n`);
}

await main();
