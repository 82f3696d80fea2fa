// Backup and restore of the embedded database, with the key that its secrets are encrypted under, in one file.
//
// A backup is PostgreSQL's own "low-level" base backup: between pg_backup_start and pg_backup_stop the files of the cluster are
// copied while they change, and the log that was written meanwhile is copied after them; replaying it brings the copy to the state at
// pg_backup_stop. So everything that was acknowledged before the call is in it, and the server need not stop.
// It works from any process that may read the data directory: a running server's address lies there, a stopped one is started.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CONNECTION_FILE, SECRET_KEY_FILE } from '../data-files.ts';
import { type ArchiveWriter, type Description, readArchive, writeArchive } from './backup-archive.ts';
import { findInstalledBinaries } from './embedded-binaries.ts';
import { EmbeddedError, errorCode, fileError } from './embedded-error.ts';
import { connectFirst } from './examine.ts';
import { makeFolders } from './make-folders.ts';
import { giveTo, type Place, preparePlace, readConnection } from './embedded-place.ts';
import type { Log } from './embedded-postmaster.ts';
import { lockPlace, logFileOf, setAsideForgotten, silent, startEmbedded } from './embedded.ts';

/** Shown in pg_stat_activity. */
const NAME = 'grandstand backup';
/** What else of the data directory a restored server needs. */
const KEPT_FILES = [SECRET_KEY_FILE];
const CLUSTER = 'postgres';
/** Made anew by the server; the folders must be there. */
const EMPTY_FOLDERS = new Set(
  'pg_dynshmem pg_notify pg_serial pg_snapshots pg_stat_tmp pg_subtrans pg_replslot pg_wal'.split(' '),
);
const SKIPPED =
  /^(postmaster\.(pid|opts)|backup_label(\.old)?|tablespace_map(\.old)?|current_logfiles(\.tmp)?|postgresql\.auto\.conf\.tmp|backup_manifest)$/;
const CONTROL_FILE = 'global/pg_control';
const CONNECT_PATIENCE_MS = 30_000;

export interface BackupSummary {
  createdAt: string;
  files: number;
  /** False where SECRET_KEY comes from the environment: a restore must set the same one. */
  hasSecretKey: boolean;
}

interface Options {
  log?: Log;
  /** Replaces the file where there is one. */
  force?: boolean;
  /** The file is encrypted with it. */
  passphrase?: string;
  /** Of the database's address: before anything of it is copied, or once it was restored and runs. */
  onOpen?: (url: string) => Promise<void>;
  /** Once all of it was copied. */
  onCopied?: (url: string) => Promise<void>;
  /** Of PostgreSQL, where a restored database is only looked at. */
  settings?: Record<string, string>;
}

/**
 * Writes a backup of the database in `dataDir` to `targetFile`. An older one is replaced only with `force`, and only when
 * the new one is whole.
 */
export async function backup(dataDir: string, targetFile: string, options: Options = {}): Promise<BackupSummary> {
  const target = resolve(targetFile);
  if (options.force !== true && existsSync(target))
    throw new EmbeddedError(
      'not-empty',
      `${target} is there already. Choose another name, or replace it with --force.`,
    );
  const source = await openSource(dataDir, options).catch((error: unknown) => {
    throw backupError(error, target);
  });
  const unfinished = `${target}.${randomBytes(4).toString('hex')}.partial`;
  try {
    await options.onOpen?.(source.url);
    const description = await describe(source.client);
    let hasSecretKey = false;
    const files = await writeArchive(
      unfinished,
      description,
      async (archive) => {
        for (const file of KEPT_FILES) hasSecretKey = (await archive.file(file, join(dataDir, file))) || hasSecretKey;
        await copyCluster(source.client, archive);
      },
      options.passphrase,
    );
    await options.onCopied?.(source.url);
    await rename(unfinished, target);
    return { createdAt: description.created_at, files, hasSecretKey };
  } catch (error) {
    await rm(unfinished, { force: true });
    throw backupError(error, target);
  } finally {
    await source.close();
  }
}

interface Source {
  client: pg.Client;
  url: string;
  close(): Promise<void>;
}

/** A superuser's connection to the server of this data directory, which is started when it is not running. */
async function openSource(dataDir: string, options: Options): Promise<Source> {
  const cluster = readConnection(dataDir)?.cluster ?? join(dataDir, CLUSTER);
  if (!existsSync(join(dataDir, CLUSTER)) && !existsSync(cluster)) {
    throw new EmbeddedError(
      'no-database',
      `There is no database in ${dataDir}. Set DATA_DIR to the folder of the server.`,
    );
  }
  // A running server of another user would look like one that is for ever about to start.
  const connectionFile = join(dataDir, CONNECTION_FILE);
  if (existsSync(connectionFile)) accessSync(connectionFile, constants.R_OK);
  const giveUpAt = performance.now() + CONNECT_PATIENCE_MS;
  for (;;) {
    try {
      const started = await startEmbedded({ dataDir, ...options });
      const client = await connectFirst(started.superuserUrl, NAME).catch(async (error: unknown) => {
        await started.stop();
        throw error;
      });
      return { client, url: started.url, close: () => client.end().finally(() => started.stop()) };
    } catch (error) {
      if (!(error instanceof EmbeddedError) || error.code !== 'locked') throw error;
      const { url, superuserUrl } = readConnection(dataDir) ?? {};
      const client =
        superuserUrl === undefined ? undefined : await connectFirst(superuserUrl, NAME).catch(() => undefined);
      if (client !== undefined && url !== undefined) return { client, url, close: () => client.end() };
      await client?.end();
      // It is just starting, or just stopping.
      if (performance.now() > giveUpAt) throw error;
      await delay(100);
    }
  }
}

async function describe(client: pg.Client): Promise<Description> {
  const { rows } = await client.query<{ major: number; now: string }>(
    `select current_setting('server_version_num')::int / 10000 as major,
            to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  return { format: 1, created_at: rows[0]?.now ?? '', postgres: rows[0]?.major ?? 0 };
}

async function copyCluster(client: pg.Client, archive: ArchiveWriter): Promise<void> {
  const name = `grandstand_backup_${randomBytes(6).toString('hex')}`;
  // A slot keeps the log from being recycled until we copied it; a temporary one goes with the connection.
  await client.query('select pg_create_physical_replication_slot($1, true, true)', [name]);
  const { rows: started } = await client.query<{ cluster: string }>(
    `select current_setting('data_directory') as cluster from pg_backup_start($1, true)`,
    [name],
  );
  const cluster = started[0]?.cluster ?? '';
  await copyFolder(archive, cluster, '');
  // Last, as pg_basebackup does: it may point no further back than the files.
  await archive.text(`${CLUSTER}/${CONTROL_FILE}`, await readUntorn(join(cluster, CONTROL_FILE)));
  const { rows: stopped } = await client.query<{ label: string; map: string; last: string }>(
    `select labelfile as label, spcmapfile as map, pg_walfile_name(lsn) as last from pg_backup_stop(false)`,
  );
  const { label = '', map = '', last = '' } = stopped[0] ?? {};
  const first = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/m.exec(label)?.[1];
  if (first === undefined) throw new Error('PostgreSQL gave no backup label');
  await archive.text(`${CLUSTER}/backup_label`, label);
  if (map !== '') throw new Error('tablespaces are not supported');
  await copyLog(archive, join(cluster, 'pg_wal'), first, last);
}

async function copyFolder(archive: ArchiveWriter, cluster: string, folder: string): Promise<void> {
  const inCluster = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
  const entries = await readdir(join(cluster, folder), { withFileTypes: true }).catch((error: unknown) => {
    // A database or a temporary folder that was dropped meanwhile.
    if (folder !== '' && errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const path = inCluster(entry.name);
    if (SKIPPED.test(path) || /^(pgsql_tmp|pg_internal\.init)/.test(entry.name) || path === CONTROL_FILE) continue;
    if (entry.isDirectory()) {
      await archive.directory(`${CLUSTER}/${path}`);
      if (!EMPTY_FOLDERS.has(path)) await copyFolder(archive, cluster, path);
    } else if (entry.isFile()) await archive.file(`${CLUSTER}/${path}`, join(cluster, path));
    else if (entry.isSymbolicLink()) throw new Error(`${path} leads out of the cluster, which a backup cannot follow`);
  }
}

/** The log from the start of the backup to its end; without a gap, or the copy could not be brought to one state. */
async function copyLog(archive: ArchiveWriter, folder: string, first: string, last: string): Promise<void> {
  const segments = (await readdir(folder)).filter(
    (name) => /^[0-9A-F]{24}$/.test(name) && name >= first && name <= last,
  );
  if (!segments.includes(first)) throw new Error(`the log segment ${first} is gone`);
  for (const segment of segments.toSorted()) {
    if (!(await archive.file(`${CLUSTER}/pg_wal/${segment}`, join(folder, segment)))) {
      throw new Error(`the log segment ${segment} is gone`);
    }
  }
}

/** The control file is rewritten in place now and then; two equal readings are one state. */
async function readUntorn(path: string): Promise<Buffer> {
  for (let previous = await readFile(path); ;) {
    const current = await readFile(path);
    if (current.equals(previous)) return current;
    previous = current;
  }
}

function backupError(error: unknown, target: string): unknown {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EmbeddedError('disk-full', `No space is left for the backup ${target}. Nothing was written.`, error);
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOENT' || code === 'ENOTDIR') {
    const reason = error instanceof Error ? error.message : String(error);
    const advice = 'Run the backup as the user that started the server, into a folder which that user may write.';
    return new EmbeddedError('not-writable', `The backup ${target} could not be made: ${reason}. ${advice}`, error);
  }
  return error;
}

/** Makes the data directory anew from a backup, starts it to see that it works, and stops it. */
export async function restore(file: string, dataDir: string, options: Options = {}): Promise<BackupSummary> {
  const wasThere = existsSync(dataDir);
  if (wasThere && foreignFiles(dataDir).length > 0) throw notEmpty(dataDir);
  if (!existsSync(file)) throw new EmbeddedError('bad-backup', `There is no file ${file}.`);
  const place = preparePlace(dataDir);
  const locks = await lockPlace(place);
  const release = (): void => {
    for (const lock of locks.toReversed()) lock.release();
  };
  // Half a restore would look like a database at the next start.
  const undo = async (): Promise<void> => {
    for (const name of foreignFiles(dataDir)) await rm(join(dataDir, name), { recursive: true, force: true });
    if (place.elsewhere !== undefined) await rm(place.elsewhere, { recursive: true, force: true });
    if (!wasThere) await rm(dataDir, { recursive: true, force: true });
  };
  try {
    setAsideForgotten(place, options.log ?? silent);
    if (existsSync(place.cluster)) throw notEmpty(place.cluster);
  } catch (error) {
    release();
    throw error;
  }
  try {
    const { description, files } = await unpack(file, place, options.passphrase).finally(release);
    const database = await startEmbedded({ dataDir, ...options });
    try {
      await options.onOpen?.(database.url);
    } finally {
      await database.stop();
    }
    return { createdAt: description.created_at, files, hasSecretKey: existsSync(join(dataDir, SECRET_KEY_FILE)) };
  } catch (error) {
    if (!(error instanceof EmbeddedError && error.code === 'locked')) await undo();
    throw fileError(error, dataDir);
  }
}

function notEmpty(folder: string): EmbeddedError {
  return new EmbeddedError(
    'not-empty',
    `${folder} is not empty. Restore into a new folder, or move this one away first.`,
  );
}

/** A new file system has a folder of its own in it. */
function foreignFiles(dataDir: string): string[] {
  return readdirSync(dataDir).filter((name) => name !== 'lost+found');
}

async function unpack(
  file: string,
  place: Place,
  passphrase: string | undefined,
): Promise<{ description: Description; files: number }> {
  const { cluster, owner, dataDir } = place;
  const unfinished = `${cluster}.restoring`;
  const major = Number.parseInt(findInstalledBinaries().version, 10);
  const check = ({ postgres }: Description): void => {
    if (postgres === major) return;
    throw new EmbeddedError(
      'other-version',
      `${file} is a backup of PostgreSQL ${postgres}, and this Grandstand comes with PostgreSQL ${major}. ` +
        'Restore it with the Grandstand that wrote it.',
    );
  };
  try {
    makeFolders(unfinished, 0o700);
    const archive = await readArchive(file, unfinished, check, passphrase);
    if (!existsSync(join(unfinished, CLUSTER, 'PG_VERSION')))
      throw new EmbeddedError('bad-backup', `${file} holds no database.`);
    for (const name of KEPT_FILES) {
      const kept = join(unfinished, name);
      if (existsSync(kept)) await copyFile(kept, join(dataDir, name));
    }
    giveTo(owner, join(unfinished, CLUSTER));
    // The first line of the log; it also marks a cluster elsewhere as this folder's, see setAsideForgotten.
    await writeFile(logFileOf(place), `restored from ${file}\n`, { mode: 0o600 });
    await rename(join(unfinished, CLUSTER), cluster);
    return archive;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
