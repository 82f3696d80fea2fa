// PostgreSQL clusters as others run them: over TCP, with certificates, with standbys. From the programs of the embedded
// server, as the user that it runs as where we are root.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { appendFile, chmod, chown, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { findInstalledBinaries, prepareBinaries } from '../database/embedded-binaries.ts';
import { freePort } from './free-port.ts';
import { scratchRoot } from './scratch.ts';

const SUPERUSER = 'postgres';
const PASSWORD = 'superuser-of-a-test';
const isRoot = process.getuid?.() === 0;
const OTHER_USER = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;

export interface Cluster {
  port: number;
  /** Of its superuser, over TCP. */
  url: string;
  socketDir: string;
  dataDir: string;
  query<Row extends pg.QueryResultRow>(text: string, at?: string): Promise<Row[]>;
  /** As the machine does that loses its power. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Its data as they are, stopped meanwhile, in another cluster that follows it. */
  makeStandby(): Promise<Cluster>;
}

export interface ClusterOptions {
  settings?: Record<string, string>;
  /** Lines of pg_hba.conf. Default: passwords from anywhere. */
  access?: string[];
  /** Files of its data folder. */
  files?: Record<string, string>;
}

export async function startCluster({ settings = {}, access, files = {} }: ClusterOptions = {}): Promise<Cluster> {
  const dataDir = await makeFolder();
  const { initdb } = programs();
  const passwords = join(dataDir, '..', 'password');
  await give(passwords, PASSWORD);
  const options = ['-U', SUPERUSER, '-A', 'scram-sha-256', '--pwfile', passwords, '--no-sync'];
  execFileSync(initdb, ['-D', dataDir, '--locale-provider=builtin', '--builtin-locale=C.UTF-8', ...options], {
    ...OTHER_USER,
    stdio: 'ignore',
  });
  const rules = access ?? ['local all all scram-sha-256', 'host all all all scram-sha-256'];
  await give(join(dataDir, 'pg_hba.conf'), [...rules, 'host replication all all scram-sha-256', ''].join('\n'));
  for (const [name, text] of Object.entries(files)) await give(join(dataDir, name), text);
  return run(dataDir, { listen_addresses: '*', wal_level: 'replica', max_wal_senders: '4', fsync: 'off', ...settings });
}

async function run(dataDir: string, settings: Record<string, string>): Promise<Cluster> {
  const port = await freePort();
  const socketDir = join(dataDir, '..');
  const all: Record<string, string> = { ...settings, port: String(port), unix_socket_directories: socketDir };
  await appendFile(
    join(dataDir, 'postgresql.conf'),
    Object.entries(all)
      .map(([key, value]) => `${key} = '${value.replaceAll("'", "''")}'\n`)
      .join(''),
  );
  let child = await start(dataDir, port);
  const url = `postgres://${SUPERUSER}:${PASSWORD}@127.0.0.1:${port}/postgres`;
  const withoutChecks = settings['ssl'] === 'on' ? `${url}?sslmode=no-verify` : url;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    port,
    url,
    socketDir,
    dataDir,
    query: (text, at = withoutChecks) => ask(at, text),
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGQUIT');
      await rm(join(dataDir, '..'), { recursive: true, force: true });
    },
    async makeStandby() {
      await end('SIGINT');
      const copy = await makeFolder();
      await cp(dataDir, copy, { recursive: true });
      if (OTHER_USER) await giveAll(copy);
      await give(join(copy, 'standby.signal'), '');
      child = await start(dataDir, port);
      return run(copy, {
        primary_conninfo: `host=127.0.0.1 port=${port} user=${SUPERUSER} password=${PASSWORD} application_name=standby`,
        synchronous_standby_names: '',
      });
    },
  };
}

async function start(dataDir: string, port: number): Promise<ChildProcess> {
  let output = '';
  const child = spawn(programs().postgres, ['-D', dataDir], { ...OTHER_USER, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL did not start: ${output}`);
    // A server that wants encryption or a certificate answers too.
    const problem = await ask(`postgres://nobody@127.0.0.1:${port}/postgres`, 'select').then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(problem instanceof pg.DatabaseError) || problem.code !== '57P03')
      if (problem === undefined || problem instanceof pg.DatabaseError || /password/.test(String(problem)))
        return child;
    await wait(20);
  }
}

let found: ReturnType<typeof prepareBinaries> | undefined;
const programs = (): ReturnType<typeof prepareBinaries> =>
  (found ??= prepareBinaries(
    findInstalledBinaries(),
    OTHER_USER,
    join(scratchRoot(), 'grandstand-test-programs'),
    () => {},
  ));

async function ask<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A folder in one that other users may enter, for sockets. */
async function makeFolder(): Promise<string> {
  const outer = await mkdtemp(join(scratchRoot(), 'cluster-'));
  await chmod(outer, 0o755);
  if (OTHER_USER) await chown(outer, OTHER_USER.uid, OTHER_USER.gid);
  return join(outer, 'data');
}

async function give(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (OTHER_USER) await chown(path, OTHER_USER.uid, OTHER_USER.gid);
}

async function giveAll(folder: string): Promise<void> {
  const { uid, gid } = OTHER_USER ?? { uid: -1, gid: -1 };
  await chown(folder, uid, gid);
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { recursive: true })) await chown(join(folder, entry), uid, gid);
}
