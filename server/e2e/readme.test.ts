import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../src/testing/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ env: { ROLE: 'all' } });
});
afterAll(() => server.close());

it('the tour of the README runs as it stands', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const blocks = [...readme.matchAll(/(<!-- tour: not run.*-->\n)?```sh\n([\s\S]*?)```/g)].filter(
    (match) => match[1] === undefined,
  );
  expect(blocks.length).toBeGreaterThan(5);
  const script = ['set -euo pipefail', ...blocks.map((match) => match[2])].join('\n');
  const { stdout } = await promisify(execFile)('bash', ['-c', script], {
    env: { ...process.env, API: server.api('').replace(/\/$/, ''), CLIENT_ID, ADMIN_TOKEN },
  });
  expect(stdout).toContain('"is_member":true');
  expect(stdout).toContain('"missing":0,"extra":0');
});
