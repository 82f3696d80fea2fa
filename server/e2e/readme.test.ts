import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../src/testing/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ env: { ROLE: 'all' } });
});
afterAll(() => server.close());

const run = promisify(execFile);
const readme = () => readFile(new URL('../../README.md', import.meta.url), 'utf8');

it('the tour of the README runs as it stands', async () => {
  const blocks = [...(await readme()).matchAll(/(<!-- tour: not run.*-->\n)?```sh\n([\s\S]*?)```/g)].filter(
    (match) => match[1] === undefined,
  );
  expect(blocks.length).toBeGreaterThan(5);
  const script = ['set -euo pipefail', ...blocks.map((match) => match[2])].join('\n');
  const { stdout } = await run('bash', ['-c', script], {
    env: { ...process.env, API: server.api('').replace(/\/$/, ''), CLIENT_ID, ADMIN_TOKEN },
  });
  expect(stdout).toContain('"is_member":true');
  expect(stdout).toContain('"missing":0,"extra":0');
});

it('its program runs as it stands, with the package that is packed here', async () => {
  const [, program = ''] = /```js\n([\s\S]*?)```/.exec(await readme()) ?? [];
  const address = 'http://localhost:7070';
  expect(program).toContain(address);
  const folder = await mkdtemp(join(tmpdir(), 'grandstand-readme-'));
  try {
    const root = new URL('../..', import.meta.url);
    const pack = ['pack', '--silent', '--ignore-scripts', '--workspace', 'sdk', '--pack-destination', folder];
    const { stdout: packed } = await run('npm', pack, { cwd: root });
    await writeFile(join(folder, 'package.json'), '{}');
    await run('npm', ['install', '--silent', '--offline', '--no-audit', join(folder, packed.trim())], { cwd: folder });
    await writeFile(join(folder, 'fan.mjs'), program.replace(address, server.url));
    const { stdout } = await run(process.execPath, ['fan.mjs'], { cwd: folder, env: { ...process.env, CLIENT_ID } });
    const name = /^Hello (.+)\n$/.exec(stdout)?.[1] ?? '';
    const [fan] = await server.sdk.profiles.list({ nickname: name }).all(1);
    const activities = await server.sdk.profiles.activities(fan?.id ?? '').all(10);
    expect(activities).toMatchObject([{ type: 'comment-created' }]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
