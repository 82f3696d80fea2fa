// Runs a command beside a real server and the player of the conformance cases: `tsx sdk/conformance/run-with.ts mvn …`.
// The command's environment says where they are; by `GRANDSTAND_TEST_CONTROL` its tests kill the server and bring it back.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  BOOTSTRAP,
  SECRET_KEY,
  startProcess,
  withFolder,
  type ServerProcess,
} from '../../server/e2e/server-process.ts';

async function main(command: string[]): Promise<number> {
  return withFolder(async (folder) => {
    const environment = { ...BOOTSTRAP, SECRET_KEY, DATA_DIR: folder, LOG_LEVEL: 'error', EVALUATION_INTERVAL: '0' };
    let server: ServerProcess = await startProcess(environment);
    const { url } = server;
    const kill = async (): Promise<void> => {
      server.kill('SIGKILL');
      await server.exit;
    };
    const start = async (): Promise<void> => {
      server = await startProcess({ ...environment, PORT: new URL(url).port });
    };
    const control = await listen(async (path) => {
      if (path === '/kill') await kill();
      else if (path === '/start') await start();
      else return 404;
      return 200;
    });
    try {
      return await run(command, {
        GRANDSTAND_TEST_URL: url,
        GRANDSTAND_TEST_CLIENT_ID: BOOTSTRAP.BOOTSTRAP_CLIENT_ID,
        GRANDSTAND_TEST_CLIENT_SECRET: BOOTSTRAP.BOOTSTRAP_CLIENT_SECRET,
        GRANDSTAND_TEST_ADMIN_TOKEN: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN,
        GRANDSTAND_TEST_CONTROL: control.url,
      });
    } finally {
      control.close();
      server.kill('SIGTERM');
      await server.exit;
    }
  });
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
