// Every check finds what it is for and nothing else, always with reason and remedy.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VARIABLES, readConfig, type Config } from '../config.ts';
import { FIRST_START_FILE } from '../data-files.ts';
import { hostOf } from '../database/address.ts';
import { openDatabase } from '../database/database.ts';
import { createMetrics } from '../metrics.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { createTestDatabase } from '../testing/database.ts';
import { createProducer, signedIn } from '../testing/two-applications.ts';
import { judgeCare, judgeClock, judgeCluster, judgeConnection, judgeDurability, type About } from './database.ts';
import { checkPublicUrl, examineInstallation } from './doctor.ts';
import type { Finding } from './finding.ts';
import { checkMachine, checkNode, judgeDisk } from './machine.ts';
import { checkSettings, isWeak } from './settings.ts';
import { watchInstallation } from './watch.ts';

const GOOD = {
  PUBLIC_URL: 'https://fans.example.org',
  TRUST_PROXY: '10.0.0.0/8',
  SECRET_KEY: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
};
const checks = (findings: Finding[]): string[] => findings.map(({ check, level }) => `${level} ${check}`);
const settings = (env: Record<string, string>): string[] => checks(checkSettings(readConfig({ ...GOOD, ...env })));

describe('settings', () => {
  it('that are right give nothing to say', () => {
    expect(settings({})).toEqual([]);
  });

  it.each([
    [{ PUBLIC_URL: '' }, 'warning public-url'],
    [{ PUBLIC_URL: 'http://fans.example.org' }, 'warning public-url-tls'],
    [{ TRUST_PROXY: '' }, 'warning trust-proxy'],
    [{ TRUST_PROXY: '1', HOST: '0.0.0.0' }, 'note trust-proxy-open'],
    [{ SECRET_KEY: 'change-me-change-me-change-me-change-me' }, 'warning secret-key'],
    [{ BOOTSTRAP_CLIENT_ID: 'app1', BOOTSTRAP_ADMIN_TOKEN: 'a'.repeat(22) }, 'warning bootstrap-admin-token'],
    [{ RATE_LIMIT_ADDRESS: '0' }, 'note limits'],
    [{ WEBHOOK_ALLOW_PRIVATE: 'true' }, 'note webhook-allow-private'],
    [{ LOG_LEVEL: 'silent' }, 'note log-level'],
  ])('%j is found', (env, found) => {
    expect(settings(env)).toEqual([found]);
  });

  it('on this machine alone need no encryption', () => {
    expect(settings({ PUBLIC_URL: 'http://localhost:7070', TRUST_PROXY: '' })).toEqual([]);
  });

  it('are told apart, secrets that were drawn and secrets that were made up', () => {
    for (let i = 0; i < 200; i++) {
      const drawn = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
      for (const encoding of ['hex', 'base64url'] as const) expect(isWeak(drawn.toString(encoding))).toBe(false);
    }
    for (const made of [
      '0123456789'.repeat(4),
      'my-password-for-everything-in-the-world',
      'abcabcabcabcabcabcabcabcabcabcabc',
    ])
      expect(isWeak(made), made).toBe(made !== '0123456789'.repeat(4));
  });
});

const FINE: About = {
  version: '18.1',
  encoding: 'UTF8',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  autovacuum: 'on',
  connections: 100,
  prepared: 0,
  is_cluster: false,
  collation: '2.36',
  collation_now: '2.36',
  is_superuser: false,
  age: 1000,
  is_encrypted: true,
  invalid_indexes: [],
};
const REMOTE = { isPooled: false, host: 'db.example.org', poolSize: 10 };
const judge = (about: Partial<About>, asked: Partial<typeof REMOTE> = {}): string[] => {
  const whole = { ...FINE, ...about };
  return checks([
    ...judgeDurability(whole),
    ...judgeConnection(whole, { ...REMOTE, ...asked }),
    ...judgeCare(whole),
    ...judgeCluster(whole),
  ]);
};

describe('the database', () => {
  it('that is well gives nothing to say', () => {
    expect(judge({})).toEqual([]);
    expect(judgeClock(1_500)).toEqual([]);
  });

  it.each<[Partial<About>, Partial<typeof REMOTE>, string]>([
    [{ fsync: 'off' }, {}, 'error durability'],
    [{ autovacuum: 'off' }, {}, 'error autovacuum'],
    [{ is_encrypted: false }, {}, 'warning database-tls'],
    [{}, { isPooled: true }, 'note pooler'],
    [{ connections: 30 }, {}, 'warning connections'],
    [{ is_superuser: true }, {}, 'note superuser'],
    [{ encoding: 'LATIN1' }, {}, 'error encoding'],
    [{ collation_now: '2.41' }, {}, 'error collation'],
    [{ age: 1_200_000_000 }, {}, 'warning transaction-ids'],
    [{ age: 1_900_000_000 }, {}, 'error transaction-ids'],
    [{ invalid_indexes: ['members_by_profile'] }, {}, 'warning indexes'],
    [{ is_cluster: true, prepared: 10 }, {}, 'error citus'],
    [{ is_encrypted: false }, { host: 'localhost.example.org' }, 'warning database-tls'],
  ])('%j, %j is found', (about, asked, found) => {
    expect(judge(about, asked)).toEqual([found]);
  });

  it('on the same machine needs no encryption, and its clock may be off by two seconds', () => {
    for (const address of [
      'postgres://app@localhost/x',
      'postgres://app@127.0.0.1:5433/x',
      'postgres://app@[::1]/x',
      'postgres://app:secret@%2Fvar%2Frun%2Fpostgresql/x',
      'postgres://app@/x?host=/var/run/postgresql',
      'postgres:///x',
    ])
      expect(judge({ is_encrypted: false }, { host: hostOf(address) }), address).toEqual([]);
    expect(judge({ is_encrypted: false }, { host: hostOf('postgres://app@/x?host=db.example.org') })).toEqual([
      'warning database-tls',
    ]);
    expect(checks(judgeClock(-2_500))).toEqual(['warning clock']);
    expect(judgeClock(-2_500)[0]?.what).toContain('2.5 s behind');
  });
});

describe('the machine', () => {
  it('has room, or too little', () => {
    const [MiB, GiB] = [1024 ** 2, 1024 ** 3];
    expect(judgeDisk('/data', 50 * GiB, 500 * GiB)).toEqual([]);
    expect(checks(judgeDisk('/data', 900 * MiB, 10 * GiB))).toEqual(['warning disk']);
    expect(checks(judgeDisk('/data', 20 * GiB, 500 * GiB))).toEqual(['warning disk']);
    expect(checks(judgeDisk('/data', 100 * MiB, 500 * GiB))).toEqual(['error disk']);
  });

  it('has a Node that is mended, and credentials that their owner alone reads', async () => {
    expect(checks([...checkNode('20.19.0'), ...checkNode('22.1.0'), ...checkNode('24.0.0')])).toEqual(['note node']);
    const folder = await mkdtemp(join(tmpdir(), 'grandstand-doctor-'));
    try {
      const config = readConfig({ ...GOOD, DATABASE_URL: 'postgres://db.example.org/x', DATA_DIR: folder });
      const without = (findings: Finding[]): string[] => checks(findings).filter((check) => check !== 'note node');
      expect(without(await checkMachine(config))).toEqual([]);
      await writeFile(join(folder, FIRST_START_FILE), 'x', { mode: 0o644 });
      expect(without(await checkMachine(config))).toEqual(['warning file-mode', 'note first-start-file']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('an installation', () => {
  let server: TestServer;
  let config: Config;
  beforeAll(async () => {
    server = await startTestServer({ env: GOOD });
    config = { ...server.app.context.config, publicUrl: server.url, trustProxy: false };
  });
  afterAll(() => server.close());

  it('is looked at whole, the gravest first, and nothing is changed', async () => {
    const findings = await examineInstallation(config);
    // Databases of tests write to no disk, so this one is found at least.
    expect(checks(findings)).toContain('error durability');
    expect(checks(findings).filter((check) => /migrations|newer|public-url|trust/.test(check))).toEqual([]);
    const levels = findings.map(({ level }) => level);
    expect(levels).toEqual(
      levels.toSorted((a, b) => ['error', 'warning', 'note'].indexOf(a) - ['error', 'warning', 'note'].indexOf(b)),
    );
    for (const finding of findings)
      for (const text of [finding.what, finding.why, finding.action])
        expect(text.length, finding.check).toBeGreaterThan(10);
  });

  it('says which migrations wait, which are unknown, and where there are none, without applying any', async () => {
    const client = new pg.Client({ connectionString: server.databaseUrl });
    await client.connect();
    try {
      const { rows } = await client.query<{ number: number; name: string; checksum: string }>(
        'select number, name, checksum from migrations order by number desc limit 1',
      );
      const newest = rows[0];
      await client.query('delete from migrations where number = $1', [newest?.number]);
      const pending = (await examineInstallation(config)).find(({ check }) => check === 'migrations');
      expect(pending).toMatchObject({ level: 'warning', what: expect.stringContaining(newest?.name ?? '?') as string });
      await client.query('insert into migrations (number, name, checksum) values ($1, $2, $3)', [
        newest?.number,
        newest?.name,
        newest?.checksum,
      ]);
      await client.query("insert into migrations (number, name, checksum) values (9999, '9999-later.sql', 'x')");
      const schema = async () => (await examineInstallation(config)).find(({ check }) => check === 'schema')?.what;
      expect(await schema()).toMatch(/newer than this program: it has migration 9999-later\.sql/);
      await client.query('delete from migrations where number = 9999');
      await client.query("update migrations set checksum = 'x' where number = $1", [newest?.number]);
      expect(await schema()).toContain(`migration ${newest?.name} differs from the one that was applied`);
      await client.query('update migrations set checksum = $2 where number = $1', [newest?.number, newest?.checksum]);
      expect(await schema()).toBeUndefined();
    } finally {
      await client.end();
    }
    const empty = await createTestDatabase({ empty: true });
    try {
      const found = await examineInstallation({ ...config, databaseUrl: empty.directUrl });
      expect(checks(found)).toContain('note migrations');
    } finally {
      await empty.drop();
    }
  });

  it('whose database is away says of the machine what there is to say', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'grandstand-doctor-'));
    const away = openDatabase({ url: 'postgres://127.0.0.1:1/x', poolSize: 1, name: 'a test' });
    try {
      await writeFile(join(folder, FIRST_START_FILE), 'x', { mode: 0o644 });
      const { clock, log } = server.app.context;
      const watched = watchInstallation(
        { clock, config: { ...config, dataDir: folder }, db: away, log, metrics: createMetrics() },
        false,
      );
      await expect(watched.run()).rejects.toThrow();
      expect(checks(watched.findings())).toContain('note first-start-file');
    } finally {
      await away.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('without its database says what the start would say', async () => {
    const url = new URL(server.databaseUrl);
    url.pathname = '/nowhere';
    const found = await examineInstallation({ ...config, databaseUrl: url.href });
    expect(found.find(({ check }) => check === 'database')?.what).toMatch(/cannot be reached.*nowhere/s);
  });

  it('is not reached at another address', async () => {
    expect(await checkPublicUrl({ publicUrl: server.url })).toEqual([]);
    expect(checks(await checkPublicUrl({ publicUrl: 'http://127.0.0.1:1' }))).toEqual(['warning public-url-reach']);
  });

  it('tells readiness, metrics and owners what it finds, and nobody else', async () => {
    const warned = await startTestServer({ databaseUrl: server.databaseUrl, env: { SECRET_KEY: GOOD.SECRET_KEY } });
    try {
      await warned.app.installation.run();
      const ready = (await (await fetch(`${warned.url}/readyz`)).json()) as { warnings: string[] };
      expect(ready.warnings).toEqual(warned.app.installation.warnings().map(({ what }) => what));
      expect(ready.warnings).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^PUBLIC_URL is not set/),
          expect.stringContaining('fsync = off'),
        ]),
      );
      expect(await (await fetch(`${warned.url}/metrics`)).text()).toMatch(
        /grandstand_installation_findings\{level="error"\} [1-9]/,
      );
      expect(await warned.sdk.getStatistics()).toMatchObject({ warnings: [] });
      const application = await warned.app.context.applications.get(CLIENT_ID);
      const told = async (role: 'owner' | 'editor'): Promise<string[]> => {
        const { cookie } = await signedIn(warned, await createProducer(warned, application.id, role, CLIENT_ID));
        const { body } = await warned.call<{ warnings: Finding[] }>('GET', `applications/${CLIENT_ID}/statistics/`, {
          token: null,
          headers: { cookie },
        });
        return body.warnings.map(({ what }) => what);
      };
      expect(await told('owner')).toEqual(ready.warnings);
      expect(await told('editor')).toEqual([]);
    } finally {
      await warned.close();
    }
  });

  it('names variables that there are', () => {
    const every = [
      checkSettings(
        readConfig({ BOOTSTRAP_CLIENT_ID: 'abcd', RATE_LIMIT_PROFILE: '0', WEBHOOK_ALLOW_PRIVATE: 'true' }),
      ),
      judgeConnection({ ...FINE, connections: 5, is_encrypted: false }, REMOTE),
    ].flat();
    const named = every.flatMap(({ what, action }) => `${what} ${action}`.match(/\b[A-Z]{3,}(_[A-Z]+)+\b/g) ?? []);
    expect(named.length).toBeGreaterThan(3);
    for (const name of named) expect(VARIABLES).toHaveProperty(name);
  });
});
