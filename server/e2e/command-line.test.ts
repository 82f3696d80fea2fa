// The command line as an operator meets it.

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VARIABLES } from '../src/config.ts';
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
    for (const command of [
      'start',
      'migrate',
      'app',
      'token',
      'demo',
      'import',
      'export',
      'merge',
      'usage',
      'limits',
      'backup',
      'backups',
      'restore',
      'upgrade',
      'doctor',
    ])
      expect(stdout).toContain(command);
  });

  it('lists every variable in its help, without colours where no terminal reads it', async () => {
    for (const args of [['--help'], ['start', '--help']]) {
      const { stdout } = await run([CLI, ...args], env);
      for (const name of Object.keys(VARIABLES)) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
      expect(stripVTControlCharacters(stdout)).toBe(stdout);
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    }
    const { stdout: ofUsage } = await run([CLI, 'usage', '--help'], env);
    expect(ofUsage).toContain('--interval');
    expect(ofUsage).not.toContain('DATABASE_URL');
  });

  it('refuses what it does not know instead of passing it over', async () => {
    const { code, stdout: made, stderr } = await run([CLI, 'token', 'create', 'import', '--readonly'], env);
    expect([code, made]).toEqual([1, '']);
    expect(stderr).toBe("Unknown option '--readonly'. `grandstand --help` lists the commands.\n");
    const { stdout } = await run([CLI, 'token', 'list', `--app=${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}`], env);
    expect(stdout.trim().split('\n')).toEqual([expect.stringContaining('bootstrap')]);
  });

  it('leaves a row of what it changes, none of what failed, and lists them', async () => {
    const made = await run([CLI, 'token', 'create', 'audited'], env);
    expect(made.code).toBe(0);
    const app = `--app=${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}`;
    expect(await run([CLI, 'token', 'revoke', crypto.randomUUID(), app], env)).toMatchObject({ code: 1 });
    await run([CLI, 'app', 'create', 'Another', '--client-id=another-app'], env);
    const { stdout } = await run([CLI, 'audit', app], env);
    const [row, ...others] = stdout.trimEnd().split('\n');
    expect(row).toMatch(/^\S+Z\t\S+ \(command line\)\t-\tcreateAdminToken\ttoken audited$/);
    expect(others).toEqual([]);
    const { stdout: csv } = await run([CLI, 'audit', '--app=another-app', '--format=csv'], env);
    expect(csv).toContain(',createApplication,application,another-app,Another,');
  });

  it('shows and changes the limits of an application', async () => {
    expect((await run([CLI, 'limits', '--max-mau=many'], env)).stderr).toContain('--max-mau: must be a whole number');
    const changed = await run([CLI, 'limits', '--max-mau=5:refuse', '--max-profiles-per-day=7'], env);
    expect(changed).toMatchObject({
      code: 0,
      stdout: 'max-mau               0 of 5, then refuse\nmax-profiles-per-day  0 of 7, then warn\n',
    });
    const removed = await run([CLI, 'limits', '--max-mau=none', '--max-profiles-per-day=none'], env);
    expect(removed.stdout).toBe('max-mau               none\nmax-profiles-per-day  none\n');
    expect((await run([CLI, 'audit'], env)).stdout.match(/updateApplication/g)).toHaveLength(2);
  });

  it('makes sources, shows their keys once, and says why one is no good', { timeout: 300_000 }, async () => {
    const made = await run([CLI, 'source', 'create', 'Web shop', '--trust=client'], env);
    const [id = '', key = ''] = ['id', 'write key'].map(
      (name) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(made.stdout)?.[1] ?? '',
    );
    expect(key).toMatch(/^\w{32}$/);
    const listed = await run([CLI, 'source', 'list'], env);
    expect(listed.stdout).toBe(`${id}\tsegment\tclient\t0 problems\treceived never\tWeb shop\n`);
    const given = 'a-key-that-clients-have-already';
    const rotated = await run([CLI, 'source', 'rotate-key', id, `--write-key=${given}`], env);
    expect(rotated).toMatchObject({ code: 0, stdout: `${given}\n` });
    expect(await run([CLI, 'source', 'problems', id], env)).toMatchObject({ code: 0, stdout: '' });
    const refusals: [string[], string][] = [
      [['create', 'x', '--kind=other'], '--kind: must be segment or livelike, not "other".\n'],
      [['create', 'x', '--kind=livelike'], '--write-key: This field is required: the client secret in LiveLike.\n'],
      [['create', 'x', '--write-key=short'], '--write-key: must have 16 to 255 characters.\n'],
      [['create', 'x', `--write-key=${given}`], '--write-key: This key is in use.\n'],
      [['problems', 'x'], `There is no source 'x' in ${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}.\n`],
      [['problems', id, '--limit=0'], '--limit: must be a whole number from 1 to 1000, not "0".\n'],
    ];
    for (const [words, said] of refusals)
      expect(await run([CLI, 'source', ...words], env)).toMatchObject({ code: 1, stderr: said });
    const { stdout: audited } = await run([CLI, 'audit'], env);
    expect(audited.match(/createSource|rotateSourceKey/g)).toEqual(['rotateSourceKey', 'createSource']);
    expect(audited).not.toContain(given);
  });

  it('reads files in, and says of one that it cannot what it saw', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'grandstand-import-'));
    try {
      const file = join(folder, 'fans.csv');
      await writeFile(file, 'Custom ID;nickname\nf-1;Ada\nf-2;Grace\n;nobody\n');
      const first = await run([CLI, 'import', file, '--of=profiles'], env);
      expect(first).toMatchObject({ code: 0, stderr: '' });
      expect(first.stdout).toContain('done: 2 accepted, 0 duplicates, 1 rejected\nline,reason,row\n4,');
      const again = await run([CLI, 'import', file, '--of=profiles'], env);
      expect(again.stdout).toContain('done: 0 accepted, 2 duplicates, 1 rejected');
      await writeFile(file, 'user_id,points\nf-1,7\n');
      const unknown = await run([CLI, 'import', file, '--of=members', '--group=custom:none'], env);
      expect([unknown.code, unknown.stderr]).toEqual([1, '--group: There is no group "custom:none".\n']);
      const out = join(folder, 'out.csv');
      const exported = await run([CLI, 'export', 'profiles', out], env);
      expect(exported).toMatchObject({ code: 0, stdout: `2 rows are in ${out}\n` });
      expect((await readFile(out, 'utf8')).split('\n')[0]).toContain('id,custom_id,nickname');
      const back = await run([CLI, 'import', out, '--of=profiles'], env);
      expect(back.stdout).toContain('done: 0 accepted, 2 duplicates, 0 rejected');
      expect((await run([CLI, 'export', 'profiles', out], env)).stderr).toContain('--force');
      const lines = await run([CLI, 'export', 'profiles', '-', '--format=ndjson'], env);
      expect(
        lines.stdout
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)
          .toSorted(),
      ).toEqual(['f-1', 'f-2']);
      const merging = (...more: string[]) => run([CLI, 'merge', 'custom:f-1', 'custom:f-2', ...more], env);
      expect((await merging()).stderr).toContain("different custom ids, 'f-1' and 'f-2'");
      expect((await merging('--tokens=keep')).stderr).toBe('--tokens: must be follow or revoke, not "keep".\n');
      expect((await merging('--force', '--dry-run')).stdout).toContain('would become');
      expect((await merging('--force')).stdout).toContain('is now');
      expect((await merging('--force')).stderr).toContain('cannot be merged into itself');
      expect((await run([CLI, 'audit'], env)).stdout.match(/mergeProfile/g)).toHaveLength(1);
      expect((await run([CLI, 'merge', 'custom:none', 'custom:f-2'], env)).stderr).toContain(
        "no profile 'custom:none'",
      );
      const asking = await run([CLI, 'import', file, '--of=profiles'], env);
      expect([asking.code, asking.stderr]).toEqual([
        1,
        expect.stringContaining('--column: No header is known. These were seen: "user_id", "points".'),
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('looks at an installation and ends with 2 where something will be lost, 1 where something is not as it should be', async () => {
    const json = await run([CLI, 'doctor', '--json'], {
      ...env,
      PUBLIC_URL: 'http://127.0.0.1:1',
      SECRET_KEY: 'change-me-to-something-of-32-characters',
    });
    const { findings } = JSON.parse(json.stdout) as { findings: { check: string; level: string }[] };
    // Databases of tests write to no disk.
    const atTheTop = findings.some(({ level }) => level === 'error') ? 2 : 1;
    expect([json.code, findings.map(({ check }) => check)]).toEqual([
      atTheTop,
      expect.arrayContaining(['public-url-reach', 'secret-key']),
    ]);
    const unset = await run([CLI, 'doctor'], { DATABASE_URL: database.url });
    expect(unset).toMatchObject({ code: 2, stderr: '' });
    expect(unset.stdout).toMatch(/^ERROR settings\n {2}SECRET_KEY: is required.*\n {2}Why: .*\n {2}Do: {2}.*\n$/);
    const folder = await mkdtemp(join(tmpdir(), 'grandstand-doctor-'));
    try {
      const alone = await run([CLI, 'doctor'], { DATA_DIR: join(folder, 'nothing'), PUBLIC_URL: '' });
      expect(alone).toMatchObject({ code: 1, stdout: expect.stringContaining('does not run') as string });
      expect(existsSync(join(folder, 'nothing'))).toBe(false); // it changes nothing
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('tells its version', async () => {
    expect(await run([CLI, '--version'], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});
