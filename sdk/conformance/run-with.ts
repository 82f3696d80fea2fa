// Runs a command beside a real server and the player of the conformance cases: `tsx sdk/conformance/run-with.ts mvn …`.
// The command's environment says where they are; by `GRANDSTAND_TEST_CONTROL` its tests kill the server and bring it back.

import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BOOTSTRAP, SECRET_KEY, startProcess, type ServerProcess } from '../../server/e2e/server-process.ts';
import { startPlayer } from './player.ts';

async function main(command: string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'grandstand-native-'));
  try {
    await chmod(folder, 0o755); // as root, the database runs as another user
    return await runBeside({ ...BOOTSTRAP, SECRET_KEY, DATA_DIR: folder, LOG_LEVEL: 'warn' }, command);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runBeside(environment: Record<string, string>, command: string[]): Promise<number> {
  let server: ServerProcess = await startProcess(environment);
  const { url } = server;
  const player = await startPlayer();
  const control = await listen(async (path) => {
    if (path === '/kill') {
      server.kill('SIGKILL');
      await server.exit;
    } else if (path === '/start') {
      server = await startProcess({ ...environment, PORT: new URL(url).port });
    } else return 404;
    return 200;
  });
  try {
    return await run(command, {
      GRANDSTAND_TEST_URL: url,
      GRANDSTAND_TEST_CLIENT_ID: BOOTSTRAP.BOOTSTRAP_CLIENT_ID,
      GRANDSTAND_TEST_CLIENT_SECRET: BOOTSTRAP.BOOTSTRAP_CLIENT_SECRET,
      GRANDSTAND_TEST_ADMIN_TOKEN: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN,
      GRANDSTAND_TEST_CONTROL: control.url,
      GRANDSTAND_TEST_PLAYER: player.url,
    });
  } finally {
    control.close();
    await player.close();
    server.kill('SIGTERM');
    await server.exit;
  }
}

async function listen(handle: (path: string) => Promise<number>): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    handle(request.url ?? '').then(
      (status) => response.writeHead(status).end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() }; // listens on TCP
}

function run([program = '', ...args]: string[], environment: Record<string, string>): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main(process.argv.slice(2));
