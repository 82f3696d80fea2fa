// `grandstand backup`, `backups` and `restore`: the embedded database and the secret key, in one file of one's own or in the place of
// scheduled backups (BACKUP_TO).

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { UsageError } from '../arguments.ts';
import type { BackupConfig } from '../backup-config.ts';
import { listBackups, openStore, reportOf, type BackupReport, type BackupStore } from '../backups/backup-store.ts';
import { makeBackup } from '../backups/make-backup.ts';
import { readPassphraseFile } from '../backups/passphrase.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, readConfig, type Config } from '../config.ts';
import { backup, restore } from '../database/backup.ts';
import { MIN_PASSPHRASE } from '../database/sealed-file.ts';
import { formatInstant } from '../instant.ts';
import { auditAll } from './audited.ts';

/** The variables of a server with the embedded database; a database of one's own has tools of its own. */
function embeddedConfig(): Config {
  const config = readConfig(process.env);
  if (config.databaseUrl !== undefined) {
    throw new ConfigError(
      'DATABASE_URL is set: back it up and restore it with pg_dump, pg_basebackup or your provider.',
    );
  }
  return config;
}

const passphraseFile = {
  type: 'string',
  description: `A file whose first line is the passphrase, of ${MIN_PASSPHRASE} characters or more. Default: BACKUP_PASSPHRASE_FILE, where the backup is one of BACKUP_TO.`,
} as const;

async function readPassphrase(path: string | undefined): Promise<{ passphrase?: string }> {
  return path === undefined ? {} : { passphrase: await readPassphraseFile(resolve(path)) };
}

function tellAboutKey(hasSecretKey: boolean): void {
  if (hasSecretKey) return;
  process.stdout.write('SECRET_KEY comes from the environment and is not in the file: keep it as well.\n');
}

function scheduled({ backup: settings }: Config, why: string): BackupConfig {
  if (settings === undefined) throw new UsageError(`${why}, or set BACKUP_TO`);
  return settings;
}

export const backupCommand = defineCommand({
  meta: { name: 'backup', description: 'Write the embedded database to a file, also while the server runs.' },
  args: {
    file: {
      type: 'positional',
      required: false,
      description: 'The backup file. Default: one more in BACKUP_TO, checked, and what is too old goes.',
    },
    force: { type: 'boolean', default: false, description: 'Replace the file where there is one.' },
    'passphrase-file': passphraseFile,
  },
  async run({ args }) {
    const config = embeddedConfig();
    if (args.file === undefined) {
      const settings = scheduled(config, 'Name a file');
      await backupIntoStore(config, {
        ...settings,
        ...(args['passphrase-file'] !== undefined && { passphraseFile: resolve(args['passphrase-file']) }),
      });
      return;
    }
    const target = resolve(args.file);
    const secret = await readPassphrase(args['passphrase-file']);
    const { files, hasSecretKey } = await backup(config.dataDir, target, {
      force: args.force,
      ...secret,
      onOpen: (url) => auditBackup(url, basename(target), secret.passphrase !== undefined),
    });
    process.stdout.write(`${files} files are in ${target}\n`);
    tellAboutKey(hasSecretKey);
    if (secret.passphrase === undefined) warnOfSecrets(hasSecretKey);
  },
});

async function backupIntoStore({ dataDir }: Config, settings: BackupConfig): Promise<void> {
  const store = openStore(settings.target);
  const clock = systemClock();
  const isEncrypted = settings.passphraseFile !== undefined;
  const { name, report, removed, hasSecretKey } = await makeBackup({
    ...settings,
    dataDir,
    store,
    now: () => clock.now(),
    onOpen: (url) => auditBackup(url, store.place, isEncrypted),
  });
  const rows = Object.values(report.rows).reduce((sum, count) => sum + count, 0);
  const checked = report.checked_at === null ? 'not checked' : `checked: ${rows} rows were restored`;
  process.stdout.write(`${name} is in ${store.place}, ${checked}\n`);
  for (const old of removed) process.stdout.write(`${old} is deleted\n`);
  tellAboutKey(hasSecretKey);
  if (!isEncrypted) warnOfSecrets(hasSecretKey);
}

const auditBackup = (url: string, file: string, encrypted: boolean): Promise<void> =>
  auditAll(url, { action: 'backup', request: { file, encrypted } });

function warnOfSecrets(hasSecretKey: boolean): void {
  if (!hasSecretKey) return;
  process.stdout.write(
    'It holds the secret key beside the secrets that are encrypted under it: whoever reads the file reads them. ' +
      'Encrypt it with --passphrase-file, or keep it as you keep passwords.\n',
  );
}

export const backupsCommand = defineCommand({
  meta: { name: 'backups', description: 'List the backups in BACKUP_TO, the newest first.' },
  async run() {
    const { target } = scheduled(embeddedConfig(), 'Only scheduled backups are listed');
    const store = openStore(target);
    for (const { name, bytes, isGood } of await listBackups(store)) {
      const report = isGood ? (JSON.parse(await store.readText(reportOf(name))) as BackupReport) : undefined; // our own file
      const state = !report ? 'not good' : report.checked_at === null ? 'not checked' : `checked ${report.checked_at}`;
      process.stdout.write(
        `${name}\t${bytes} bytes\t${report?.encrypted === false ? 'not encrypted\t' : ''}${state}\n`,
      );
    }
  },
});

export const restoreCommand = defineCommand({
  meta: { name: 'restore', description: 'Bring a backup back into an empty DATA_DIR.' },
  args: {
    file: { type: 'positional', required: false, description: 'The backup file.' },
    stored: {
      type: 'string',
      description: 'In its place, one of BACKUP_TO: a name, or `latest`, the newest good one.',
    },
    'passphrase-file': passphraseFile,
  },
  async run({ args }) {
    const config = embeddedConfig();
    if ((args.file === undefined) === (args.stored === undefined)) throw new UsageError('Name a file, or --stored');
    if (args.file !== undefined) {
      await restoreFile(resolve(args.file), config.dataDir, args['passphrase-file']);
      return;
    }
    const settings = scheduled(config, '--stored is for scheduled backups: name a file');
    const store = openStore(settings.target);
    const name = args.stored === 'latest' ? await findLatest(store) : (args.stored ?? '');
    // Beside nothing that matters: DATA_DIR must be empty.
    const work = await mkdtemp(join(tmpdir(), 'grandstand-restore-'));
    try {
      await chmod(work, 0o700);
      const file = await store.fetch(name, work);
      await restoreFile(file, config.dataDir, args['passphrase-file'] ?? settings.passphraseFile);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
});

async function findLatest(store: BackupStore): Promise<string> {
  const latest = (await listBackups(store)).find(({ isGood }) => isGood);
  if (latest === undefined) throw new ConfigError(`There is no good backup in ${store.place}.`);
  process.stdout.write(`the newest good one is ${latest.name}, of ${formatInstant(latest.at).slice(0, 19)}Z\n`);
  return latest.name;
}

async function restoreFile(file: string, dataDir: string, passphrasePath: string | undefined): Promise<void> {
  const { createdAt, hasSecretKey } = await restore(file, dataDir, {
    ...(await readPassphrase(passphrasePath)),
    onOpen: (url) => auditAll(url, { action: 'restore', request: { file: basename(file) } }),
  });
  process.stdout.write(`the database of ${createdAt} is in ${dataDir}\n`);
  tellAboutKey(hasSecretKey);
}
