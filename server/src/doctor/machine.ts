// What the machine tells: room on the disk, the version of Node, files that others can read.

import { statfs, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { CONNECTION_FILE, FIRST_OWNER_FILE, FIRST_START_FILE, SECRET_KEY_FILE } from '../data-files.ts';
import { findIf, type Finding } from './finding.ts';

const MiB = 1024 ** 2;
const LITTLE = 1024 * MiB;
const TOO_LITTLE = 256 * MiB;
const LITTLE_SHARE = 0.05;
/** The oldest that Node's makers still mend. */
const MAINTAINED_NODE = 22;

export async function checkMachine(config: Config): Promise<Finding[]> {
  const found = await Promise.all([
    // What is written elsewhere needs no room here.
    config.databaseUrl === undefined ? checkDisk(config.dataDir) : [],
    checkFiles(config.dataDir),
  ]);
  return [...found.flat(), ...checkNode(process.versions.node)];
}

async function checkDisk(dataDir: string): Promise<Finding[]> {
  const { bavail, blocks, bsize } = await statfs(dataDir).catch(() => ({ bavail: 0, blocks: 0, bsize: 0 }));
  return blocks === 0 ? [] : judgeDisk(dataDir, bavail * bsize, blocks * bsize);
}

export function judgeDisk(dataDir: string, free: number, size: number): Finding[] {
  return findIf(free < LITTLE || free < size * LITTLE_SHARE, {
    check: 'disk',
    level: free < TOO_LITTLE ? 'error' : 'warning',
    what: `The disk of ${dataDir} has ${Math.round(free / MiB)} MiB left of ${Math.round(size / MiB)} MiB.`,
    why: 'The database stops when the disk is full, and nothing is taken any more until there is room.',
    action: 'Make room, enlarge the volume, or move DATA_DIR while the server is stopped.',
  });
}

/** Files that hold credentials are their owner's alone. */
async function checkFiles(dataDir: string): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const name of [SECRET_KEY_FILE, FIRST_START_FILE, FIRST_OWNER_FILE, CONNECTION_FILE]) {
    const file = join(dataDir, name);
    const stats = await stat(file).catch(() => undefined);
    if (!stats) continue;
    found.push(
      ...findIf(process.platform !== 'win32' && (stats.mode & 0o077) !== 0, {
        check: 'file-mode',
        level: 'warning',
        what: `${file} can be read by others than its owner.`,
        why: 'It holds credentials.',
        action: `chmod 600 ${file}`,
      }),
      ...findIf(name === FIRST_START_FILE, {
        check: 'first-start-file',
        level: 'note',
        what: `${file} still holds the credentials of the first start.`,
        why: 'Copies of the folder carry them along.',
        action: 'Keep them where you keep passwords, then delete the file.',
      }),
    );
  }
  return found;
}

export function checkNode(version: string): Finding[] {
  return findIf(Number.parseInt(version, 10) < MAINTAINED_NODE, {
    check: 'node',
    level: 'note',
    what: `This is Node ${version}, which its makers no longer mend.`,
    why: 'Faults of its TLS and HTTP stay open.',
    action: `Move to Node ${MAINTAINED_NODE} or newer, and try it out on a copy first.`,
  });
}
