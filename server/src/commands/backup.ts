// `grandstand backup` and `grandstand restore`: the embedded database and the secret key, in one file.

import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import { ConfigError, readConfig } from '../config.ts';
import { backup, restore } from '../database/backup.ts';

const file = { type: 'positional', required: true, description: 'The backup file.' } as const;

/** The folder of the embedded database; a database of one's own has tools of its own. */
function embeddedDataDir(): string {
  const config = readConfig(process.env);
  if (config.databaseUrl !== undefined) {
    throw new ConfigError(
      'DATABASE_URL is set: back it up and restore it with pg_dump, pg_basebackup or your provider.',
    );
  }
  return config.dataDir;
}

function tellAboutKey(hasSecretKey: boolean): void {
  if (hasSecretKey) return;
  process.stdout.write('SECRET_KEY comes from the environment and is not in the file: keep it as well.\n');
}

export const backupCommand = defineCommand({
  meta: { name: 'backup', description: 'Write the embedded database to a file, also while the server runs.' },
  args: { file, force: { type: 'boolean', default: false, description: 'Replace the file where there is one.' } },
  async run({ args }) {
    const target = resolve(args.file);
    const { files, hasSecretKey } = await backup(embeddedDataDir(), target, { force: args.force });
    process.stdout.write(`${files} files are in ${target}\n`);
    tellAboutKey(hasSecretKey);
  },
});

export const restoreCommand = defineCommand({
  meta: { name: 'restore', description: 'Bring a backup back into an empty DATA_DIR.' },
  args: { file },
  async run({ args }) {
    const dataDir = embeddedDataDir();
    const { createdAt, hasSecretKey } = await restore(resolve(args.file), dataDir);
    process.stdout.write(`the database of ${createdAt} is in ${dataDir}\n`);
    tellAboutKey(hasSecretKey);
  },
});
