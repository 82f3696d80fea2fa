// Makes the cluster and writes its configuration. A cluster is made beside its final place and renamed into it, so one that is
// there is whole; the configuration is written anew at every start, so an upgrade of ours needs no migration of theirs
// (what an operator sets with "alter system" lies in another file and wins).

import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Binaries, OLDER_BINARIES } from './embedded-binaries.ts';
import { EmbeddedError, errorCode, fileError } from './embedded-error.ts';
import { giveTo, type Owner } from './embedded-place.ts';

export const SUPERUSER = 'postgres';
const run = promisify(execFile);
const MEBIBYTE = 1024 * 1024;

/** A clean environment: no PG* variable of ours, English messages (they are read), universal time. */
export function postgresEnvironment(): NodeJS.ProcessEnv | undefined {
  if (process.platform === 'win32') return undefined;
  return { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/', LC_ALL: 'C', TZ: 'UTC', ...movedClock() };
}

/** Where tests move this process's clock (scripts/clock.c), its database has the same one. */
function movedClock(): NodeJS.ProcessEnv {
  // eslint-disable-next-line no-restricted-syntax -- no setting of ours: it is about this process, whose child the server is
  const { TEST_CLOCK_OFFSET, LD_PRELOAD } = process.env;
  return TEST_CLOCK_OFFSET && LD_PRELOAD ? { TEST_CLOCK_OFFSET, LD_PRELOAD } : {};
}

export function spawnAs(owner: Owner | undefined): { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } {
  const env = postgresEnvironment();
  return { ...owner, ...(env === undefined ? {} : { env }) };
}

/** Whether there is a cluster, after making sure that these programs can run it. */
export function checkCluster(cluster: string, binaries: Binaries): boolean {
  const versionFile = join(cluster, 'PG_VERSION');
  if (!existsSync(versionFile)) {
    if (!existsSync(cluster) || readdirSync(cluster).length === 0) return false;
    throw new EmbeddedError(
      'damaged',
      `${cluster} is not empty but holds no database (PG_VERSION is missing). Restore it from a backup, or move it away ` +
        'to start with an empty database.',
    );
  }
  const major = Number.parseInt(readFileSync(versionFile, 'utf8'), 10);
  if (major === binaries.major) return true;
  const advice =
    major > binaries.major
      ? 'Use the newer Grandstand that wrote them'
      : Object.hasOwn(OLDER_BINARIES, major)
        ? 'Run `grandstand upgrade`, which moves them and keeps the old ones'
        : 'Upgrade with an older Grandstand first';
  throw new EmbeddedError(
    'other-version',
    `The data in ${cluster} belong to PostgreSQL ${Number.isNaN(major) ? '(unknown)' : major}, and this Grandstand comes with ` +
      `PostgreSQL ${binaries.major}. ${advice}, or set DATABASE_URL to a PostgreSQL ${major} server that holds them.`,
  );
}

export async function makeCluster(
  cluster: string,
  owner: Owner | undefined,
  binaries: Binaries,
  superuserPassword: string,
): Promise<void> {
  const unfinished = `${cluster}.new`;
  const passwordFile = `${cluster}.password`;
  try {
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { mode: 0o700 });
    writeFileSync(passwordFile, superuserPassword, { mode: 0o600 });
    giveTo(owner, unfinished);
    giveTo(owner, passwordFile);
    const flags = [...localeFlags(binaries.major), '--encoding=UTF8'];
    flags.push('--auth=scram-sha-256', `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, '--no-instructions');
    await run(binaries.initdb, [...flags, '-D', unfinished], { ...spawnAs(owner), cwd: unfinished, windowsHide: true });
    rmSync(cluster, { recursive: true, force: true });
    renameSync(unfinished, cluster);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw programError(error, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** The order of code points and Unicode's rules of case; before 17 those are the system's. */
const localeFlags = (major: number): string[] =>
  major >= 17
    ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
    : ['--lc-collate=C', '--lc-ctype=C.UTF-8', '--locale=C'];

/** Sets the superuser's password without knowing the old one, for a data directory whose connection file was lost. */
export async function resetSuperuserPassword(
  cluster: string,
  owner: Owner | undefined,
  binaries: Binaries,
  password: string,
): Promise<void> {
  const child = run(binaries.postgres, ['--single', '-D', cluster, 'postgres'], { ...spawnAs(owner), cwd: cluster });
  child.child.stdin?.end(`alter role ${SUPERUSER} password '${password}'\n`);
  try {
    await child;
  } catch (error) {
    throw programError(error, cluster);
  }
}

export interface Endpoint {
  /** Folder of the unix socket; undefined for TCP on 127.0.0.1. */
  socketDir: string | undefined;
  port: number;
}

export function writeConfiguration(
  cluster: string,
  owner: Owner | undefined,
  endpoint: Endpoint,
  settings: Record<string, string>,
): void {
  const all = { ...defaultSettings(), ...settings, ...endpointSettings(endpoint) };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  const head = '# Written by Grandstand at every start. Use "alter system" for settings of your own.';
  const access = ['local', 'host'].map(
    (kind) => `${kind} all all ${kind === 'host' ? '127.0.0.1/32 ' : ''}scram-sha-256`,
  );
  try {
    for (const [file, text] of [
      ['postgresql.conf', [head, ...lines, ''].join('\n')],
      ['pg_hba.conf', [head.replace(/ Use.*/, ''), ...access, ''].join('\n')],
    ] as const) {
      const path = join(cluster, file);
      writeFileSync(path, text, { mode: 0o600 });
      giveTo(owner, path);
    }
  } catch (error) {
    throw fileError(error, cluster);
  }
}

function endpointSettings({ socketDir, port }: Endpoint): Record<string, string> {
  if (socketDir === undefined)
    return { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' };
  return {
    listen_addresses: '',
    port: String(port),
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
  };
}

/** For a machine that also runs other things: small in memory, durable, and quiet about what callers do wrong. */
function defaultSettings(): Record<string, string> {
  const memory = totalmem() / MEBIBYTE;
  const sharedBuffers = Math.round(Math.min(256, Math.max(128, memory / 16)));
  return {
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    wal_level: 'replica',
    max_wal_senders: '0',
    max_connections: '100',
    shared_buffers: `${sharedBuffers}MB`,
    effective_cache_size: `${Math.round(Math.max(512, memory / 2))}MB`,
    work_mem: '8MB',
    maintenance_work_mem: '96MB',
    min_wal_size: '128MB',
    max_wal_size: '1GB',
    checkpoint_timeout: '10min',
    random_page_cost: '1.1',
    jit: 'off',
    track_io_timing: 'off',
    dynamic_shared_memory_type: sharedMemoryType(),
    timezone: 'UTC',
    log_timezone: 'UTC',
    datestyle: 'iso, ymd',
    lc_messages: 'C',
    default_text_search_config: 'pg_catalog.simple',
    password_encryption: 'scram-sha-256',
    logging_collector: 'off',
    log_line_prefix: '%m [%p] ',
    log_checkpoints: 'off',
    // The detail of an error may hold personal data ("Key (custom_id)=(…) already exists").
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
  };
}

/** Containers often have 64 MB of /dev/shm, too little for a parallel hash join. */
function sharedMemoryType(): string {
  if (process.platform === 'win32') return 'windows';
  if (process.platform !== 'linux') return 'posix';
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= 256 * MEBIBYTE ? 'posix' : 'mmap';
  } catch {
    return 'mmap';
  }
}

/** What went wrong in a program of PostgreSQL, from its messages. */
export function programError(error: unknown, cluster: string): EmbeddedError {
  if (error instanceof EmbeddedError) return error;
  const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const code = errorCode(error);
  if (code === 'EPERM' || code === 'EINVAL') {
    return new EmbeddedError(
      'user-switch',
      'PostgreSQL refuses to run as root, and this process may not become another user. Start the server as an ordinary user.',
      error,
    );
  }
  if (
    code === 'ENOENT' ||
    code === 'EACCES' ||
    code === 'ENOEXEC' ||
    /error while loading shared libraries|GLIBC_/.test(output)
  ) {
    return new EmbeddedError(
      'no-binaries',
      `The PostgreSQL programs that npm installed do not run here (${lastLine(output) || code}). Set DATABASE_URL to a ` +
        'PostgreSQL server instead.',
      error,
    );
  }
  if (/could not look up effective user ID/.test(output)) {
    return new EmbeddedError(
      'unknown-user',
      `The user id ${process.getuid?.()} has no name on this system, and PostgreSQL needs one to make a database. Add the user ` +
        'to /etc/passwd, or start the server as a user that is there (root is fine too).',
      error,
    );
  }
  return messageError(output || String(error), cluster, error);
}

/** The same from text alone, such as the end of the server's log. */
export function messageError(text: string, cluster: string, cause?: unknown): EmbeddedError {
  if (/No space left on device|Disk quota exceeded/i.test(text)) {
    return new EmbeddedError(
      'disk-full',
      `No space is left for the database in ${cluster}. Free some and start again.`,
      cause,
    );
  }
  if (/could not bind|Address already in use|could not create any TCP/i.test(text)) {
    return new EmbeddedError('port-taken', `The database could not listen: ${lastLine(text)}`, cause);
  }
  if (/incompatible with server|version mismatch/i.test(text)) {
    return new EmbeddedError(
      'other-version',
      `The data in ${cluster} belong to another PostgreSQL: ${lastLine(text)}`,
      cause,
    );
  }
  if (/shared memory block .*still in use|lock file .* already exists/i.test(text)) {
    const advice = 'End the processes named "postgres" of this folder, then start again.';
    return new EmbeddedError(
      'still-running',
      `A PostgreSQL still runs in ${cluster}: ${lastLine(text)}. ${advice}`,
      cause,
    );
  }
  const reason = lastLine(text) || 'it ended without a message';
  return new EmbeddedError(
    'start-failed',
    `PostgreSQL did not start in ${cluster}: ${reason} (more in postgres.log in the data directory)`,
    cause,
  );
}

/** The same for a server that ended while it started; on a full disk its log says nothing. */
export function startError(logged: string, cluster: string): EmbeddedError {
  return messageError(isFull(cluster) ? 'No space left on device' : logged, cluster);
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < 256 * 1024;
  } catch {
    return false;
  }
}

function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /FATAL|PANIC|ERROR|error:/.test(line));
  return (telling.at(-1) ?? lines.at(-1) ?? '').trim();
}
