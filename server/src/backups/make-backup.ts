// One backup: made, put away, read back from where it was put, restored beside the data, its rows held against what the running
// database said, and only then called good. Then the old ones go.

import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BackupConfig } from '../backup-config.ts';
import { backup, restore } from '../database/backup.ts';
import { readConnection } from '../database/embedded-place.ts';
import type { Log } from '../database/embedded-postmaster.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { readVersion } from '../version.ts';
import { nameAt, removeOld, reportOf, type BackupReport, type BackupStore } from './backup-store.ts';
import { checkRestored, readMarks, type Marks } from './figures.ts';
import { readPassphraseFile } from './passphrase.ts';

export interface MakeBackup extends Pick<BackupConfig, 'keep' | 'passphraseFile' | 'isChecked'> {
  dataDir: string;
  store: BackupStore;
  now: () => Instant;
  log?: Log;
  /** Of the database's address, before anything is copied. */
  onOpen?: (url: string) => Promise<void>;
  /** Tests change what is stored before it is checked. */
  onStored?: (name: string) => Promise<void>;
}

export interface MadeBackup {
  name: string;
  report: BackupReport;
  removed: string[];
  hasSecretKey: boolean;
}

const WORK = 'backup-work-';
/** A database that is only counted once. */
const SMALL = { fsync: 'off', shared_buffers: '32MB', max_connections: '20', autovacuum: 'off' };

export async function makeBackup(options: MakeBackup): Promise<MadeBackup> {
  const { dataDir, store, keep, passphraseFile, isChecked, now, log } = options;
  const passphrase = passphraseFile === undefined ? undefined : await readPassphraseFile(passphraseFile);
  const name = nameAt(now());
  const encryption = passphrase === undefined ? {} : { passphrase };
  await store.list(); // before the work: what is wrong with the place shows
  await removeLeftBehind(dataDir);
  const work = await makeWorkFolder(dataDir);
  try {
    const file = join(store.workFolder ?? work, `${name}.new`);
    let before: Marks | undefined;
    let after: Marks | undefined;
    const { createdAt, hasSecretKey } = await backup(dataDir, file, {
      ...encryption,
      ...(log && { log }),
      async onOpen(url) {
        await options.onOpen?.(url);
        before = await readMarks(url);
      },
      onCopied: async (url) => void (after = await readMarks(url, before)),
    });
    const { size: bytes } = await stat(file);
    await store.put(name, file);
    await options.onStored?.(name);
    const rows = isChecked ? await check(name, store, work, encryption, before, after) : {};
    const report: BackupReport = {
      created_at: createdAt,
      checked_at: isChecked ? formatInstant(now()) : null,
      version: readVersion(),
      bytes,
      encrypted: passphrase !== undefined,
      rows,
    };
    await store.putText(reportOf(name), `${JSON.stringify(report, null, 2)}\n`);
    return { name, report, removed: await removeOld(store, keep), hasSecretKey };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function check(
  name: string,
  store: BackupStore,
  work: string,
  encryption: { passphrase?: string },
  before: Marks | undefined,
  after: Marks | undefined,
): Promise<Record<string, number>> {
  const restored = join(work, 'restored');
  let rows: Record<string, number> = {};
  try {
    await restore(await store.fetch(name, work), restored, {
      ...encryption,
      settings: SMALL,
      onOpen: async (url) => void (rows = await checkRestored(url, before, after)),
    });
    return rows;
  } finally {
    await removeElsewhere(restored);
  }
}

/** In the data directory: on the disk that has room for the database, and where PostgreSQL's user can go if anywhere. */
async function makeWorkFolder(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const work = await mkdtemp(join(dataDir, WORK));
  if (process.getuid?.() === 0) await chmod(work, 0o711);
  return work;
}

/** A process that was killed left them. There is one server to a data directory, but a command may be at work beside it. */
async function removeLeftBehind(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(WORK))) {
    const folder = join(dataDir, name);
    const { mtimeMs = 0 } = (await stat(folder).catch(() => undefined)) ?? {};
    if (Date.now() - mtimeMs < LONGEST_MS) continue;
    await removeElsewhere(join(folder, 'restored'));
    await rm(folder, { recursive: true, force: true });
  }
}

const LONGEST_MS = 86_400_000;

/** Where root's PostgreSQL could not reach the folder, the database lay in another. */
async function removeElsewhere(restored: string): Promise<void> {
  const cluster = readConnection(restored)?.cluster;
  if (cluster !== undefined && dirname(cluster) !== restored)
    await rm(dirname(cluster), { recursive: true, force: true });
}
