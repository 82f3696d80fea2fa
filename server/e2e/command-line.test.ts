// The command line as an operator meets it.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { BOOTSTRAP, CLI, SECRET_KEY, run } from './server-process.ts';

const SERVER = new URL('../', import.meta.url);

describe('the command line', () => {
  let database: TestDatabase;
  let env: Record<string, string>;
  beforeAll(async () => {
    database = await createTestDatabase();
    env = { DATABASE_URL: database.url, SECRET_KEY, ...BOOTSTRAP };
  });
  afterAll(() => database.drop());

  it('is a file that is there before anything is built, so that npm links it', async () => {
    const { bin } = JSON.parse(await readFile(new URL('package.json', SERVER), 'utf8')) as {
      bin: { grandstand: string };
    };
    expect(bin.grandstand).not.toContain('dist/');
    const file = fileURLToPath(new URL(bin.grandstand, SERVER));
    expect(existsSync(file)).toBe(true);
    const { code, stdout } = await run([file, '--help'], env);
    expect(code).toBe(0);
    for (const command of ['start', 'migrate', 'app', 'token', 'demo', 'backup', 'restore'])
      expect(stdout).toContain(command);
  });

  it('refuses what it does not know instead of passing it over', async () => {
    const { code, stdout: made, stderr } = await run([CLI, 'token', 'create', 'import', '--readonly'], env);
    expect([code, made]).toEqual([1, '']);
    expect(stderr).toBe("Unknown option '--readonly'. `grandstand --help` lists the commands.\n");
    const { stdout } = await run([CLI, 'token', 'list', `--app=${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}`], env);
    expect(stdout.trim().split('\n')).toEqual([expect.stringContaining('bootstrap')]);
  });

  it('tells its version', async () => {
    expect(await run([CLI, '--version'], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});
