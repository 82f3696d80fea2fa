// Where backups are kept. A store holds files by name; what is under its name is whole. Beside each backup that counts as good
// lies what was found in it (`.json`), written last: the store alone tells how old the newest good one is.

import type { BackupConfig } from '../backup-config.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { bucketStore } from './bucket-store.ts';
import { folderStore } from './folder-store.ts';

export interface StoredFile {
  name: string;
  bytes: number;
}

export interface BackupStore {
  /** For people. */
  readonly place: string;
  /** A folder for the file before it is put; undefined: any. */
  readonly workFolder: string | undefined;
  list(): Promise<StoredFile[]>;
  /** Takes the file over. */
  put(name: string, file: string): Promise<void>;
  putText(name: string, text: string): Promise<void>;
  /** A path of what is stored, as it can be read back; a copy of it is made in `folder`. */
  fetch(name: string, folder: string): Promise<string>;
  readText(name: string): Promise<string>;
  /** Nothing where it is gone already. */
  remove(name: string): Promise<void>;
}

export const openStore = (target: BackupConfig['target']): BackupStore =>
  'folder' in target ? folderStore(target.folder) : bucketStore(target);

export interface StoredBackup {
  name: string;
  at: Instant;
  bytes: number;
  isGood: boolean;
}

/** What was found in a good backup. */
export interface BackupReport {
  created_at: string;
  /** Null where backups are not checked. */
  checked_at: string | null;
  version: string;
  bytes: number;
  encrypted: boolean;
  /** Of each table, as restored; empty where it was not. */
  rows: Record<string, number>;
}

const NAME = /^grandstand-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z\.backup$/;

/** Such as `grandstand-20261128T030000123Z.backup`. */
export const nameAt = (at: Instant): string =>
  `grandstand-${formatInstant(at).slice(0, 23).replace(/[-:.]/g, '')}Z.backup`;

export const reportOf = (name: string): string => name.replace(/\.backup$/, '.json');

function instantOf(name: string): Instant | undefined {
  const [, year, month, day, hour, minute, second, millis] = NAME.exec(name) ?? [];
  return year === undefined
    ? undefined
    : parseInstant(`${year}-${month}-${day}T${hour}:${minute}:${second}.${millis}000Z`);
}

/** The newest first. What else lies there is none of ours. */
export async function listBackups(store: BackupStore): Promise<StoredBackup[]> {
  const files = await store.list();
  const names = new Set(files.map(({ name }) => name));
  return files
    .flatMap(({ name, bytes }) => {
      const at = instantOf(name);
      return at === undefined ? [] : [{ name, at, bytes, isGood: names.has(reportOf(name)) }];
    })
    .sort((a, b) => b.at - a.at);
}

/** The newest so many stay, and the newest so many good ones. */
export async function removeOld(store: BackupStore, keep: number): Promise<string[]> {
  const all = await listBackups(store);
  const kept = new Set([...all.slice(0, keep), ...all.filter(({ isGood }) => isGood).slice(0, keep)]);
  const old = all.filter((backup) => !kept.has(backup));
  for (const { name } of old) {
    await store.remove(reportOf(name)); // first: what is half gone counts as good no longer
    await store.remove(name);
  }
  return old.map(({ name }) => name);
}
