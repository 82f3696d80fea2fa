// Programs that come to their end: what they tracked last is on the server, or they say that it is not.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from './testing/sdk.ts';

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startTestServer();
  folder = mkdtempSync(join(tmpdir(), 'grandstand-node-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.close();
});

/** Runs this after the import of the package, as its exports name it for Node. */
async function run(format: 'mjs' | 'cjs', program: string): Promise<{ code: number | null; out: string; err: string }> {
  const entry = join(import.meta.dirname, '../dist', format === 'mjs' ? 'node.js' : 'node.cjs');
  const load =
    format === 'mjs'
      ? `import * as Grandstand from ${JSON.stringify(entry)};\n`
      : `const Grandstand = require(${JSON.stringify(entry)});\n`;
  const file = join(folder, `program.${format}`);
  writeFileSync(file, load + program);
  const child = spawn(process.execPath, [file], { env: { ...process.env, CLIENT_ID, ENDPOINT: server.url } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out: out.trim(), err })));
}

const START = 'const { CLIENT_ID: clientId, ENDPOINT: endpoint } = process.env;';

const typesOf = async (profileId: string): Promise<string[]> =>
  (await server.sdk.profiles.activities(profileId).all(10)).map(({ type }) => type);

describe('a program in Node', () => {
  it('sends what waits when it comes to its end', async () => {
    const awaited = await run(
      'mjs',
      `${START} const { id } = await Grandstand.init({ clientId, endpoint }); Grandstand.track('poll-voted'); console.log(id);`,
    );
    expect(awaited).toMatchObject({ code: 0, err: '' });
    expect(await typesOf(awaited.out)).toEqual(['poll-voted']);
    const started = await run(
      'cjs',
      `${START} Grandstand.init({ clientId, endpoint }).then(({ id }) => console.log(id)); Grandstand.track('poll-voted');`,
    );
    expect(started).toMatchObject({ code: 0, err: '' });
    expect(await typesOf(started.out)).toEqual(['poll-voted']);
  });

  it('ends where the server is gone, and says what was lost', async () => {
    const lost = await run(
      'mjs',
      `${START}
      const gone = (url, init) => fetch(url.includes('activities') ? 'http://127.0.0.1:1/' : url, init);
      await Grandstand.init({ clientId, endpoint, fetch: gone });
      Grandstand.track('poll-voted');`,
    );
    expect(lost).toMatchObject({ code: 0, err: expect.stringContaining('could not be sent') as string });
  });

  it('that tracks nothing ends at once', async () => {
    expect(await run('mjs', `${START} await Grandstand.init({ clientId, endpoint });`)).toEqual({
      code: 0,
      out: '',
      err: '',
    });
  });
});
