// The embedded PostgreSQL: a child process with its cluster in the data directory, for one server at a time.
//
// It listens on a unix socket in a private folder with a short name in the system's temporary folder: no port can be taken, no
// other user of the machine reaches it, the path never exceeds the 107 bytes of a socket address, and data directories on file
// systems without sockets (mounts of a container host) work. On Windows, where node cannot open PostgreSQL's sockets, it listens on
// 127.0.0.1 on a port that is free. Either way a generated password is asked for.
//
// Invariant: while startEmbedded holds the directory's lock no other process touches the cluster; it is released after PostgreSQL is gone.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { CONNECTION_FILE } from '../data-files.ts';
import { type Binaries, findInstalledBinaries, type Installed, prepareBinaries } from './embedded-binaries.ts';
import {
  checkCluster,
  type Endpoint,
  makeCluster,
  resetSuperuserPassword,
  startError,
  SUPERUSER,
  writeConfiguration,
} from './embedded-cluster.ts';
import { EmbeddedError, errorCode, fileError } from './embedded-error.ts';
import { type DirectoryLock, lockDirectory } from './embedded-lock.ts';
import {
  canReach,
  type Connection,
  giveTo,
  makeElsewhere,
  type Owner,
  type Place,
  preparePlace,
  readConnection,
  writeConnection,
} from './embedded-place.ts';
import {
  boundLog,
  connectWhenReady,
  launchPostmaster,
  type Log,
  type Postmaster,
  readEnd,
  stopLeftBehind,
  supervise,
} from './embedded-postmaster.ts';
import { finishUpgrade } from './upgrade-exchange.ts';

export { EmbeddedError, type EmbeddedErrorCode } from './embedded-error.ts';

export interface EmbeddedDatabase {
  /** For the server: the role owns the database and may make others, but is no superuser. */
  url: string;
  superuserUrl: string;
  dataDir: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  log?: Log;
  /** Settings of PostgreSQL over the defaults; durability may be turned off in tests. */
  settings?: Record<string, string>;
  /** Default: a unix socket, but TCP on Windows. */
  transport?: 'socket' | 'tcp';
  /** Programs of another version than this server's own. */
  installed?: Installed;
}

const DATABASE = 'grandstand';
const ROLE = 'grandstand';
/** Name of the socket file, which counts into the 107 bytes (103 on macOS). */
const SOCKET_NAME_BYTES = '/.s.PGSQL.5432'.length;
const INVALID_PASSWORD = '28P01';
const LOG_CHECK_MS = 60_000;
export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const log = options.log ?? silent;
  const place = preparePlace(options.dataDir);
  const installed = options.installed ?? findInstalledBinaries();
  const locks = await lockPlace(place);
  const release = (): void => {
    for (const lock of locks.toReversed()) lock.release();
  };
  try {
    const binaries = prepareBinaries(installed, place.owner, place.shared, (target) =>
      log.warn(
        `the PostgreSQL programs in ${installed.native} cannot be used where they are; copying them to ${target}`,
      ),
    );
    return await startLocked(place, binaries, options, log, release);
  } catch (error) {
    release();
    throw fileError(error, place.dataDir);
  }
}

/** A second lock lies beside a cluster elsewhere, since a copy of the data directory would lead there too. */
export async function lockPlace(place: Place): Promise<DirectoryLock[]> {
  const locks = [await lockDirectory(place.dataDir)];
  if (place.elsewhere === undefined) return locks;
  try {
    makeElsewhere(place);
    locks.push(await lockDirectory(place.elsewhere));
    return locks;
  } catch (error) {
    locks[0]?.release();
    throw error;
  }
}

async function startLocked(
  place: Place,
  binaries: Binaries,
  options: EmbeddedOptions,
  log: Log,
  release: () => void,
): Promise<EmbeddedDatabase> {
  const { dataDir, cluster, owner } = place;
  if (place.elsewhere !== undefined) {
    log.warn(`PostgreSQL runs as user ${owner?.uid}, who cannot reach ${dataDir}; the database lies in ${cluster}`);
  }
  setAsideForgotten(place, log);
  finishUpgrade(place, log);
  const { connection, isNew } = await prepareCluster(place, binaries, log);
  removeOldSocketDir(connection.socketDir, cluster);
  const usesSocket = (options.transport ?? (process.platform === 'win32' ? 'tcp' : 'socket')) === 'socket';
  const socketDir = usesSocket ? makeSocketDir(owner) : undefined;
  try {
    const launch = { place, binaries, connection, isNew, log };
    const { postmaster, endpoint } = await startListening(async () => {
      const endpoint: Endpoint = { socketDir, port: usesSocket ? 5432 : await freePort() };
      writeConfiguration(cluster, owner, endpoint, options.settings ?? {});
      return { endpoint, postmaster: await launchAt(endpoint, launch) };
    });
    // Started again at the same address, so that the url stays true.
    const supervised = supervise(postmaster, () => startListening(() => launchAt(endpoint, launch)), log);
    const logFile = logFileOf(place);
    const logTimer = setInterval(() => boundLog(logFile), LOG_CHECK_MS);
    logTimer.unref();
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      clearInterval(logTimer);
      await supervised.stop();
      removeSocketDir(socketDir);
      forgetAddress(dataDir, connection, log);
      release();
    };
    return {
      ...urlsFor(endpoint, connection),
      dataDir,
      get pid() {
        return supervised.pid();
      },
      stop: () => (stopping ??= stop()),
    };
  } catch (error) {
    removeSocketDir(socketDir);
    throw error;
  }
}

interface Launch {
  place: Place;
  binaries: Binaries;
  connection: Connection;
  isNew: boolean;
  log: Log;
}

/** Starts the server and leaves it ready to use, or leaves nothing running. */
async function launchAt(endpoint: Endpoint, { place, binaries, connection, isNew, log }: Launch): Promise<Postmaster> {
  const { cluster, owner, dataDir } = place;
  const logFile = logFileOf(place);
  boundLog(logFile);
  const logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const postmaster = await launchPostmaster({ binaries, cluster, owner, logFile });
  const urls = urlsFor(endpoint, connection);
  try {
    const failure = (): EmbeddedError => startError(readEnd(logFile, logStart), cluster);
    const client = await connectWhenReady(postmaster, urls.superuserUrl, failure, log);
    await ensureDatabase(client, connection.password, isNew).finally(() => client.end());
    const { socketDir } = endpoint;
    writeConnection(dataDir, {
      ...connection,
      ...urls,
      pid: postmaster.pid,
      ...(socketDir !== undefined && { socketDir }),
    });
    return postmaster;
  } catch (error) {
    await postmaster.stop();
    if (errorCode(error) !== INVALID_PASSWORD) throw error;
    const file = join(dataDir, CONNECTION_FILE);
    const advice = `Put back the right ${file}, or remove it: the next start makes new passwords.`;
    throw new EmbeddedError('start-failed', `The passwords in ${file} are not those of ${cluster}. ${advice}`, error);
  }
}

/** The passwords stay; without a url no client tries to connect. */
function forgetAddress(dataDir: string, connection: Connection, log: Log): void {
  try {
    writeConnection(dataDir, pickPasswords(connection));
  } catch (error) {
    // A disk that is full, at worst: the next start finds out by itself that the address is an old one.
    log.warn(error instanceof Error ? error.message : String(error));
  }
}

/**
 * An operator who deletes a data directory means its database, too, also where that lies elsewhere: it is moved out of the way of a new one.
 * A data directory that only lost its connection file still has the log.
 */
export function setAsideForgotten(place: Place, log: Log): void {
  const { dataDir, cluster, elsewhere } = place;
  if (elsewhere === undefined || !existsSync(cluster)) return;
  if (readConnection(dataDir) !== undefined || existsSync(logFileOf(place))) return;
  const aside = `${cluster}.old-${randomBytes(4).toString('hex')}`;
  renameSync(cluster, aside);
  log.warn(`${dataDir} is new; the database that an earlier folder of this name had is kept in ${aside}`);
}

/** Leaves a whole cluster that is not running, and the passwords for it. */
async function prepareCluster(
  place: Place,
  binaries: Binaries,
  log: Log,
): Promise<{ connection: Connection; isNew: boolean }> {
  const { dataDir, cluster, owner } = place;
  const known = readConnection(dataDir);
  const connection: Connection = known ?? { cluster, password: newPassword(), superuserPassword: newPassword() };
  const { socketDir } = connection;
  const kept: Connection = { ...pickPasswords(connection), cluster, ...(socketDir !== undefined && { socketDir }) };
  checkOwner(place);
  if (!checkCluster(cluster, binaries)) {
    log.info(`making a new database in ${cluster}`);
    // The passwords are written first: a cluster whose password is lost must not come to be.
    writeConnection(dataDir, kept);
    await makeCluster(cluster, owner, binaries, kept.superuserPassword);
    return { connection: kept, isNew: true };
  }
  await stopLeftBehind(cluster, binaries, log);
  if (known === undefined) {
    await resetSuperuserPassword(cluster, owner, binaries, kept.superuserPassword);
    writeConnection(dataDir, kept);
  }
  return { connection: kept, isNew: known === undefined };
}

function checkOwner({ cluster, owner }: Place): void {
  const uid = statSync(cluster, { throwIfNoEntry: false })?.uid;
  if (uid === undefined) return;
  if (owner !== undefined) {
    if (uid !== owner.uid) giveTo(owner, cluster);
    return;
  }
  const own = process.getuid?.();
  if (own === undefined || uid === own) return;
  throw new EmbeddedError(
    'not-writable',
    `The database in ${cluster} belongs to user ${uid} and this server runs as user ${own}. Start the server as the user who ` +
      'started it before (root, for example), or give the whole data directory to this user with chown -R.',
  );
}

function pickPasswords({ cluster, password, superuserPassword }: Connection): Connection {
  return { cluster, password, superuserPassword };
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

async function ensureDatabase(client: ClientBase, password: string, isNewPassword: boolean): Promise<void> {
  const { rows } = await client.query<{ role: boolean; database: boolean }>(
    `select exists (select from pg_roles where rolname = $1) as role,
            exists (select from pg_database where datname = $2) as database`,
    [ROLE, DATABASE],
  );
  const found = rows[0];
  // Constants and a password of [A-Za-z0-9_-]; these statements take no parameters.
  if (!found?.role) await client.query(`create role ${ROLE} login createdb password '${password}' in role pg_monitor`);
  else if (isNewPassword) await client.query(`alter role ${ROLE} password '${password}'`);
  if (!found?.database) await client.query(`create database ${DATABASE} owner ${ROLE}`);
}

function urlsFor({ socketDir, port }: Endpoint, connection: Connection): { url: string; superuserUrl: string } {
  const host = socketDir === undefined ? '127.0.0.1' : 'localhost';
  const socket = socketDir === undefined ? '' : `?host=${encodeURIComponent(socketDir)}`;
  const at = (user: string, password: string, database: string): string =>
    `postgresql://${user}:${password}@${host}:${port}/${database}${socket}`;
  return {
    url: at(ROLE, connection.password, DATABASE),
    superuserUrl: at(SUPERUSER, connection.superuserPassword, 'postgres'),
  };
}

function makeSocketDir(owner: Owner | undefined): string {
  const limit = process.platform === 'linux' ? 107 : 103;
  const name = 'grandstand-';
  // A comma would end the folder's name in PostgreSQL's list of folders.
  const fits = (folder: string): boolean =>
    Buffer.byteLength(join(folder, name)) + 6 + SOCKET_NAME_BYTES <= limit && !folder.includes(',');
  const parent = [realpathSync(tmpdir()), '/tmp'].find((folder) => fits(folder) && canReach(folder, owner));
  if (parent === undefined) {
    throw new EmbeddedError(
      'start-failed',
      `No temporary folder is short enough for a socket: ${tmpdir()}. Set TMPDIR=/tmp.`,
    );
  }
  const directory = mkdtempSync(join(parent, name));
  chmodSync(directory, 0o700);
  if (owner !== undefined) lchownSync(directory, owner.uid, owner.gid);
  return directory;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/**
 * Tries again what passes by itself: a port that was taken between its choice and its use, and the last processes of a
 * PostgreSQL that was killed, which notice within a moment and hold its shared memory until then.
 */
async function startListening<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      const passes = error instanceof EmbeddedError && (error.code === 'port-taken' || error.code === 'still-running');
      if (!passes || attempt === 20) throw error;
      await delay(attempt * 20);
    }
  }
}

export function logFileOf(place: Place): string {
  return join(place.dataDir, 'postgres.log');
}

function removeSocketDir(directory: string | undefined): void {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}

/** The socket folder of a server that was killed, unless it serves another cluster: the data directory may be a copy. */
function removeOldSocketDir(directory: string | undefined, cluster: string): void {
  if (directory === undefined) return;
  try {
    const [, servedCluster] = readFileSync(join(directory, '.s.PGSQL.5432.lock'), 'utf8').split('\n');
    if (servedCluster === cluster) removeSocketDir(directory);
  } catch {
    try {
      rmdirSync(directory);
    } catch {
      // Gone already, or not empty and so not ours to judge.
    }
  }
}
