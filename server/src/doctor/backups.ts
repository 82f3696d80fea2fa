// Whether what would be lost with this machine is anywhere else, and lately.

import { stat } from 'node:fs/promises';
import { listBackups, openStore, type BackupStore } from '../backups/backup-store.ts';
import { readPassphraseFile } from '../backups/passphrase.ts';
import type { Config } from '../config.ts';
import { MICROS_PER_SECOND, formatInstant, type Instant } from '../instant.ts';
import { findIf, type Finding } from './finding.ts';

/** One that takes long, or was tried again, is not late. */
const GRACE = 3_600 * MICROS_PER_SECOND;

/** `since`: when the server began to make them, for one that has none yet. */
export async function checkBackups(
  { databaseUrl, backup, dataDir }: Pick<Config, 'databaseUrl' | 'backup' | 'dataDir'>,
  now: Instant,
  { since, store }: { since?: Instant; store?: BackupStore } = {},
): Promise<Finding[]> {
  if (databaseUrl !== undefined) return [];
  if (backup === undefined)
    return [
      {
        check: 'backups',
        level: 'note',
        what: 'No backups are made: BACKUP_TO is not set.',
        why: 'All data lie on this one disk, with the secret key.',
        action: 'Set BACKUP_TO and BACKUP_PASSPHRASE_FILE, or run grandstand backup by a timer of your own.',
      },
    ];
  const { target, every, passphraseFile } = backup;
  const found = await Promise.all([
    'folder' in target ? checkDisk(target.folder, dataDir) : [],
    passphraseFile === undefined ? [] : checkPassphrase(passphraseFile),
    judgeAge(store ?? openStore(target), { now, every, since }),
  ]);
  return [
    ...findIf(passphraseFile === undefined, {
      check: 'backups-encrypted',
      level: 'folder' in target ? 'note' : 'warning',
      what: 'Backups are not encrypted.',
      why: 'Whoever reads one has all that is stored about fans, and the secret key beside the secrets that are encrypted under it.',
      action: 'Set BACKUP_PASSPHRASE_FILE, and keep the passphrase elsewhere, too: without it they cannot be restored.',
    }),
    ...found.flat(),
  ];
}

async function judgeAge(
  store: BackupStore,
  { now, every, since }: { now: Instant; every: number; since: Instant | undefined },
): Promise<Finding[]> {
  const late: Pick<Finding, 'check' | 'level' | 'why' | 'action'> = {
    check: 'backups-age',
    level: 'error',
    why: 'What came in since then is lost with the disk.',
    action: 'Look into the log for why; grandstand backup makes one now and says what fails.',
  };
  try {
    const newest = (await listBackups(store)).find(({ isGood }) => isGood);
    // From its beginning, the interval after it, and the time that it takes.
    if (now - (newest?.at ?? since ?? 0) <= 2 * every + GRACE) return [];
    const what = newest
      ? `The newest good backup in ${store.place} is of ${formatInstant(newest.at).slice(0, 19)}Z.`
      : `There is no good backup in ${store.place}.`;
    // Who only looks does not know for how long there should have been one.
    return [{ ...late, what, level: (newest ?? since) ? 'error' : 'warning' }];
  } catch (error) {
    return [
      {
        ...late,
        what: error instanceof Error ? error.message : String(error),
        why: 'No backup can be made.',
        action: 'Make BACKUP_TO reachable, with the rights to list, read, write and delete.',
      },
    ];
  }
}

async function checkDisk(folder: string, dataDir: string): Promise<Finding[]> {
  const [there, here] = await Promise.all([folder, dataDir].map((path) => stat(path).catch(() => undefined)));
  return findIf(there !== undefined && there.dev === here?.dev, {
    check: 'backups-disk',
    level: 'note',
    what: `Backups are on the disk of the data they are of: ${folder}.`,
    why: 'They are lost together.',
    action: 'Set BACKUP_TO to another disk, another machine’s, or a store.',
  });
}

async function checkPassphrase(path: string): Promise<Finding[]> {
  const problem = await readPassphraseFile(path).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const mode = (await stat(path).catch(() => undefined))?.mode ?? 0;
  return [
    ...findIf(problem !== undefined, {
      check: 'backups-passphrase',
      level: 'error',
      what: problem ?? '',
      why: 'No backup is made without it.',
      action: 'Put the passphrase into the first line of that file, readable by the user that starts the server.',
    }),
    ...findIf(process.platform !== 'win32' && (mode & 0o077) !== 0, {
      check: 'file-mode',
      level: 'warning',
      what: `${path} can be read by others than its owner.`,
      why: 'It opens every backup.',
      action: `chmod 600 ${path}`,
    }),
  ];
}
