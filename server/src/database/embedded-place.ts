// Decides where the database cluster lies and which user PostgreSQL runs as, and keeps the connection details.
// PostgreSQL refuses root. Started as root we run it as the owner of the data where that is a user with a name, else as "nobody"; where
// that user cannot reach the data directory (below /root, say), the cluster lies in a folder that it can reach, always the same
// one for the same data directory, and the connection file says where.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CONNECTION_FILE } from '../data-files.ts';
import { EmbeddedError, fileError } from './embedded-error.ts';
import { makeFolders } from './make-folders.ts';

export interface Owner {
  uid: number;
  gid: number;
}

export interface Place {
  dataDir: string;
  /** The cluster, PostgreSQL's own "data directory". */
  cluster: string;
  /** Whom PostgreSQL runs as; undefined for ourselves. */
  owner: Owner | undefined;
  /** The folder outside of dataDir that holds the cluster, when the other user cannot reach dataDir. */
  elsewhere: string | undefined;
  /** Where a copy of the programs may go. */
  shared: string;
}

/** What another process (the command line) needs in order to use the running database; 0600 in the data directory. */
export interface Connection {
  cluster: string;
  password: string;
  superuserPassword: string;
  url?: string;
  superuserUrl?: string;
  socketDir?: string;
  pid?: number;
}

const SHARED_FOLDERS = ['/var/lib/grandstand', '/opt/grandstand', '/srv/grandstand'];

export function preparePlace(requested: string): Place {
  const dataDir = makeDataDir(requested);
  const inside = join(dataDir, 'postgres');
  if (process.getuid?.() !== 0) {
    return { dataDir, cluster: inside, owner: undefined, elsewhere: undefined, shared: dataDir };
  }
  const owner = usableOwner(inside) ?? usableOwner(dataDir) ?? nobody();
  const own = statSync(dataDir);
  // The folder itself is ours to open; what lies in it has modes of its own.
  if (own.uid === 0 && (own.mode & 0o011) !== 0o011) chmodSync(dataDir, (own.mode & 0o7777) | 0o011);
  const shared = SHARED_FOLDERS.find((folder) => canReach(folder, owner)) ?? '/var/lib/grandstand';
  const recorded = readConnection(dataDir)?.cluster;
  if (recorded !== undefined && recorded !== inside && existsSync(recorded) && !existsSync(inside)) {
    return { dataDir, cluster: recorded, owner: usableOwner(recorded) ?? owner, elsewhere: dirname(recorded), shared };
  }
  if (canReach(dataDir, owner)) return { dataDir, cluster: inside, owner, elsewhere: undefined, shared };
  if (existsSync(inside)) {
    throw new EmbeddedError(
      'not-reachable',
      `The database in ${inside} cannot be reached by the user ${owner.uid}, as whom PostgreSQL must run because it refuses ` +
        'root. Start the server as the owner of the folder, or move the data directory to where that user can reach it.',
    );
  }
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const elsewhere = join(shared, name);
  return { dataDir, cluster: join(elsewhere, 'postgres'), owner, elsewhere, shared };
}

/** Makes the folder that holds a cluster outside of the data directory. */
export function makeElsewhere(place: Place): void {
  if (place.elsewhere === undefined) return;
  try {
    mkdirSync(place.elsewhere, { recursive: true });
    for (const folder of [dirname(place.elsewhere), place.elsewhere]) chmodSync(folder, 0o755);
  } catch (error) {
    throw fileError(error, place.elsewhere);
  }
}

function makeDataDir(requested: string): string {
  try {
    makeFolders(requested, process.getuid?.() === 0 ? 0o755 : 0o700);
    const dataDir = realpathSync(requested);
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return dataDir;
  } catch (error) {
    throw fileError(error, requested);
  }
}

/** The owner of a path, unless that is root, or a number without a name: initdb refuses to run as one. */
function usableOwner(path: string): Owner | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.uid === 0 || identify('-un', String(stat.uid)) === undefined) return undefined;
  return { uid: stat.uid, gid: stat.gid };
}

/** 65534 on Linux, -2 on macOS. */
function nobody(): Owner {
  const [uid, gid] = [identify('-u', 'nobody'), identify('-g', 'nobody')];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}

function identify(...args: string[]): string | undefined {
  try {
    return execFileSync('id', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Whether `owner` may pass every folder on the way to `path` (and read or search what is there), by the mode bits. */
export function canReach(path: string, owner: Owner | undefined): boolean {
  if (owner === undefined) return existsSync(path);
  for (let step = path; ; step = dirname(step)) {
    const stat = statSync(step, { throwIfNoEntry: false });
    // What is not there yet will be made with modes that fit.
    if (stat !== undefined) {
      const shift = stat.uid === owner.uid ? 6 : stat.gid === owner.gid ? 3 : 0;
      if (((stat.mode >> shift) & 1) === 0) return false;
    }
    if (step === dirname(step)) return true;
  }
}

/** Gives a folder and everything in it to the user that PostgreSQL runs as. */
export function giveTo(owner: Owner | undefined, path: string): void {
  if (owner === undefined) return;
  lchownSync(path, owner.uid, owner.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) giveTo(owner, inner);
    else lchownSync(inner, owner.uid, owner.gid);
  }
}

export function readConnection(dataDir: string): Connection | undefined {
  try {
    // Our own file; one that lacks the passwords is as good as none.
    const connection = JSON.parse(readFileSync(join(dataDir, CONNECTION_FILE), 'utf8')) as Connection;
    return connection.password && connection.superuserPassword && connection.cluster ? connection : undefined;
  } catch {
    return undefined;
  }
}

export function writeConnection(dataDir: string, connection: Connection): void {
  const path = join(dataDir, CONNECTION_FILE);
  const unfinished = `${path}.new`;
  try {
    writeFileSync(unfinished, `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 });
    chmodSync(unfinished, 0o600);
    renameSync(unfinished, path);
  } catch (error) {
    throw fileError(error, path);
  }
}
