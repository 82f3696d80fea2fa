// Backups in a folder, best on another disk or machine.

import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedError, errorCode } from '../database/embedded-error.ts';
import type { BackupStore } from './backup-store.ts';

export function folderStore(folder: string): BackupStore {
  const at = (name: string): string => join(folder, name);
  const explained = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw explain(error, folder);
    }
  };
  return {
    place: folder,
    workFolder: folder,
    list: () =>
      explained(async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const entries = await readdir(folder, { withFileTypes: true });
        const files = entries.filter((entry) => entry.isFile());
        return Promise.all(
          // One may be removed meanwhile by whoever else looks after the folder.
          files.map(async ({ name }) => ({ name, bytes: (await stat(at(name)).catch(() => undefined))?.size ?? 0 })),
        );
      }),
    put: (name, file) =>
      explained(async () => {
        try {
          await rename(file, at(name));
        } catch (error) {
          if (errorCode(error) !== 'EXDEV') throw error;
          await copyFile(file, at(`${name}.partial`));
          await rename(at(`${name}.partial`), at(name));
          await rm(file);
        }
        await flush(folder);
      }),
    putText: (name, text) =>
      explained(async () => {
        await writeFile(at(`${name}.partial`), text, { mode: 0o600, flush: true });
        await rename(at(`${name}.partial`), at(name));
        await flush(folder);
      }),
    fetch: (name) => explained(() => stat(at(name)).then(() => at(name))),
    readText: (name) => explained(() => readFile(at(name), 'utf8')),
    remove: (name) => explained(() => rm(at(name), { force: true })),
  };
}

/** What was renamed is under its name after a power cut, too; Windows cannot open a folder. */
async function flush(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function explain(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new EmbeddedError('disk-full', `No space is left for backups in ${folder}.`, error);
  if (code === 'ENOENT') return new EmbeddedError('bad-backup', `It is not in ${folder}: ${reason}.`, error);
  return new EmbeddedError(
    'not-writable',
    `Backups in ${folder} cannot be read or written: ${reason}. Make the folder writable for the user that starts the server, or set BACKUP_TO to another.`,
    error,
  );
}
