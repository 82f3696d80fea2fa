// `grandstand backup` and `grandstand restore`: the embedded database and the secret key, in one file.

import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { ConfigError, readConfig } from '../config.ts';
import { backup, restore } from '../database/backup.ts';
import { auditAll } from './audited.ts';
import { MIN_PASSPHRASE } from '../database/sealed-file.ts';

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

const passphraseFile = {
  type: 'string',
  description: `A file whose first line is the passphrase, of ${MIN_PASSPHRASE} characters or more.`,
} as const;

async function readPassphrase(path: string | undefined): Promise<{ passphrase?: string }> {
  if (path === undefined) return {};
  const text = await readFile(resolve(path), 'utf8').catch((error: unknown) => {
    throw new ConfigError(
      `--passphrase-file ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  });
  const [passphrase = ''] = text.split(/\r?\n/, 1);
  if (passphrase.length < MIN_PASSPHRASE)
    throw new ConfigError(
      `The first line of --passphrase-file ${path} has ${passphrase.length} characters; a passphrase has ${MIN_PASSPHRASE} or more.`,
    );
  return { passphrase };
}

function tellAboutKey(hasSecretKey: boolean): void {
  if (hasSecretKey) return;
  process.stdout.write('SECRET_KEY comes from the environment and is not in the file: keep it as well.\n');
}

export const backupCommand = defineCommand({
  meta: { name: 'backup', description: 'Write the embedded database to a file, also while the server runs.' },
  args: {
    file,
    force: { type: 'boolean', default: false, description: 'Replace the file where there is one.' },
    'passphrase-file': passphraseFile,
  },
  async run({ args }) {
    const target = resolve(args.file);
    const secret = await readPassphrase(args['passphrase-file']);
    const { files, hasSecretKey } = await backup(embeddedDataDir(), target, {
      force: args.force,
      ...secret,
      onOpen: (url) =>
        auditAll(url, {
          action: 'backup',
          request: { file: basename(target), encrypted: secret.passphrase !== undefined },
        }),
    });
    process.stdout.write(`${files} files are in ${target}\n`);
    tellAboutKey(hasSecretKey);
    if (hasSecretKey && secret.passphrase === undefined)
      process.stdout.write(
        'It holds the secret key beside the secrets that are encrypted under it: whoever reads the file reads them. ' +
          'Encrypt it with --passphrase-file, or keep it as you keep passwords.\n',
      );
  },
});

export const restoreCommand = defineCommand({
  meta: { name: 'restore', description: 'Bring a backup back into an empty DATA_DIR.' },
  args: { file, 'passphrase-file': passphraseFile },
  async run({ args }) {
    const dataDir = embeddedDataDir();
    const secret = await readPassphrase(args['passphrase-file']);
    const { createdAt, hasSecretKey } = await restore(resolve(args.file), dataDir, {
      ...secret,
      onOpen: (url) => auditAll(url, { action: 'restore', request: { file: basename(args.file) } }),
    });
    process.stdout.write(`the database of ${createdAt} is in ${dataDir}\n`);
    tellAboutKey(hasSecretKey);
  },
});
