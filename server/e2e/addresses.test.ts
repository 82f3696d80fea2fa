// The databases that people are handed: roles with few rights, encryption, passwords with odd characters, IPv6, sockets; and
// what is refused at the start, with the way out.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from '../src/testing/cluster.ts';
import { ask } from './engine-load.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, runMain, startProcess } from './server-process.ts';

const ROLE = 'fans & co';
const PASSWORD = 'p@ss:w/ö r?d#%25\'"\\';
const USER = `${encodeURIComponent(ROLE)}:${encodeURIComponent(PASSWORD)}`;
const hasOpenssl = ['/usr/bin/openssl', '/opt/homebrew/bin/openssl', '/usr/local/bin/openssl'].some((path) =>
  existsSync(path),
);

const environment = (url: string): Record<string, string> => ({
  DATABASE_URL: url,
  SECRET_KEY,
  ...BOOTSTRAP,
  LOG_LEVEL: 'warn',
  RATE_LIMIT_ADDRESS: '0',
});

/** The whole of it: tables are made, a rule is evaluated by a worker, members are listed. */
async function expectToWork(url: string): Promise<void> {
  const server = await startProcess(environment(url));
  try {
    const world = { address: Promise.resolve(server.url) };
    const application = `/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/`;
    const profile = await ask<{ id: string }>(world, 'POST', `${application}profile/`, { nickname: 'Somebody' });
    expect(profile?.status).toBe(201);
    const group = await ask<{ id: string }>(world, 'POST', `${application}profile-groups/`, {
      name: 'Those who comment',
      membership_type: 'dynamic',
      rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 1 },
    });
    expect(group?.status).toBe(201);
    const taken = await ask<{ accepted: number }>(world, 'POST', `${application}activities/`, {
      activities: [{ id: crypto.randomUUID(), type: 'comment-created', profile_id: profile?.body.id }],
    });
    expect(taken).toMatchObject({ status: 200, body: { accepted: 1 } });
    const members = `${application}profile-groups/${group?.body.id}/members/`;
    await eventually(
      () => ask<{ results: { id: string }[] }>(world, 'GET', members),
      (answer) => answer?.body.results.some(({ id }) => id === profile?.body.id) === true,
    );
    server.kill('SIGTERM');
    expect(await server.exit).toBe(0);
    expect(server.output()).not.toContain(PASSWORD);
    expect(server.output()).not.toContain(encodeURIComponent(PASSWORD));
    expect(server.output()).not.toMatch(/warning/i);
  } finally {
    server.kill('SIGKILL');
  }
}

async function refusalOf(url: string): Promise<string> {
  const { code, stderr } = await runMain(environment(url));
  expect(code).toBe(1);
  expect(stderr).not.toContain(PASSWORD);
  expect(stderr).not.toContain(encodeURIComponent(PASSWORD));
  return stderr;
}

describe('a server whose database is', () => {
  let cluster: Cluster;
  let databases = 0;
  beforeAll(async () => {
    cluster = await startCluster();
    await cluster.query(`create role "${ROLE}" login password '${PASSWORD.replaceAll("'", "''")}'`);
  });
  afterAll(() => cluster.stop());

  /** Empty, with the rights that hosts give. */
  const create = async (grants = true): Promise<string> => {
    const name = `fans${++databases}`;
    await cluster.query(`create database ${name}`);
    const inside = cluster.url.replace(/[^/]+$/, name);
    if (grants) await cluster.query(`grant create, usage on schema public to "${ROLE}"`, inside);
    return name;
  };

  it('a host’s, with a role that may make tables and no more, and a password with odd characters, works', async () => {
    await expectToWork(`postgres://${USER}@127.0.0.1:${cluster.port}/${await create()}`);
    const rows = await cluster.query<{ rolsuper: boolean; rolcreatedb: boolean }>(
      `select rolsuper, rolcreatedb from pg_roles where rolname = '${ROLE}'`,
    );
    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: false }]);
  });

  it('one where the role may not make tables says which right is missing', async () => {
    expect(await refusalOf(`postgres://${USER}@127.0.0.1:${cluster.port}/${await create(false)}`)).toBe(
      "DATABASE_URL: its role may not create tables here (permission denied for schema public). As the owner: grant create, usage on schema public to that role, or make it the database's owner.\n",
    );
  });

  it('at an IPv6 address works', async () => {
    await expectToWork(`postgres://${USER}@[::1]:${cluster.port}/${await create()}`);
  });

  it('in a socket’s folder works, in each of the forms that people write', async () => {
    const { socketDir, port } = cluster;
    await expectToWork(`postgres://${USER}@/${await create()}?host=${socketDir}&port=${port}`);
    await expectToWork(`postgres://${USER}@${encodeURIComponent(socketDir)}:${port}/${await create()}`);
  });

  it('a standby is refused, in words', async () => {
    const standby = await cluster.makeStandby();
    try {
      expect(await refusalOf(standby.url)).toBe(
        'DATABASE_URL: this server is a standby, which takes no writes. Give the address of the primary, or the one that follows it.\n',
      );
    } finally {
      await standby.stop();
    }
  });

  it('made read-only by its host is refused, in words', async () => {
    const name = await create();
    await cluster.query(`alter database ${name} set default_transaction_read_only = on`);
    expect(await refusalOf(`postgres://${USER}@127.0.0.1:${cluster.port}/${name}`)).toMatch(
      /^DATABASE_URL: this database takes no writes \(default_transaction_read_only is on\)\. .+ make room/,
    );
  });
});

describe.skipIf(!hasOpenssl)('a server whose database takes encrypted connections only', () => {
  let cluster: Cluster;
  let folder: string;
  let authority: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certificates-'));
    authority = join(folder, 'ca.pem');
    const { certificate, key } = makeCertificates(folder);
    cluster = await startCluster({
      settings: { ssl: 'on' },
      access: ['local all all scram-sha-256', 'hostssl all all all scram-sha-256'],
      files: { 'server.crt': certificate, 'server.key': key },
    });
  });
  afterAll(async () => {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const at = (host: string, query: string): string => cluster.url.replace('127.0.0.1', host) + query;

  it('works by sslmode=require, whoever signed its certificate', () =>
    expectToWork(at('127.0.0.1', '?sslmode=require')));

  it('works by sslmode=verify-full with the authority’s certificate', () =>
    expectToWork(at('localhost', `?sslmode=verify-full&sslrootcert=${authority}`)));

  it('is refused where the certificate is another host’s, or an unknown authority’s', async () => {
    const another = await refusalOf(at('127.0.0.1', `?sslmode=verify-full&sslrootcert=${authority}`));
    expect(another).toMatch(
      /^The database cannot be reached: Hostname\/IP does not match certificate's altnames: .+ sslrootcert/,
    );
    const unknown = await refusalOf(at('localhost', '?sslmode=verify-full'));
    expect(unknown).toMatch(
      /^The database cannot be reached: .*certificate.*\. Name the authority in DATABASE_URL by sslrootcert=/,
    );
    const missing = await refusalOf(at('localhost', `?sslmode=verify-full&sslrootcert=${authority}.not`));
    expect(missing).toMatch(/^The database cannot be reached: ENOENT.+ca\.pem\.not/);
  });

  it('is refused without sslmode, with what to add', async () => {
    expect(await refusalOf(at('127.0.0.1', ''))).toMatch(
      /^The database cannot be reached: .*no encryption.* It wants an encrypted connection: add \?sslmode=require to DATABASE_URL\.\n$/,
    );
  });
});

describe('an address that cannot be right', () => {
  it.each([
    [
      'postgres://fan:p@ss@host/db?sslmode=maybe',
      'sslmode must be one of disable, require, no-verify, verify-ca, verify-full, not "maybe".',
    ],
    [
      'postgres://fan:secret@host/db?sslmode=verify-ca',
      'sslmode=verify-ca needs the certificate of the authority: add sslrootcert=/path/to/ca.pem.',
    ],
    ['postgres://fan:secret@one:5432,two:5432/db', 'must name one host: the address that always leads to the primary.'],
    ['postgres://fan:1#secret@host/db', 'is cut in two by a character of its user or password.'],
    ['postgres://fan:1?secret@host/db', 'is cut in two by a character of its user or password.'],
    ['postgres://fan:1/secret@host/db', 'is cut in two by a character of its user or password.'],
    ['postgres://fan:s[cret/@host/db', 'is not an address such as postgres://user:password@host:5432/name.'],
    ['postgres://fan:50%secret@host/db', 'has a % that encodes nothing in its user or password.'],
  ])('%s is refused before anything is asked', async (url, message) => {
    const { code, stderr } = await runMain(environment(url));
    expect(code).toBe(1);
    expect(stderr).toContain(`DATABASE_URL: ${message}`);
    expect(stderr).not.toContain('secret');
  });
});

/** An authority, and a certificate that it signed for localhost. */
function makeCertificates(folder: string): { certificate: string; key: string } {
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    '-days',
    '2',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=An authority of a test',
  );
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  writeFileSync(path('names'), 'subjectAltName = DNS:localhost\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    'server.crt',
  );
  return { certificate: readFileSync(path('server.crt'), 'utf8'), key: readFileSync(path('server.key'), 'utf8') };
}
