// The passphrase of backups: the first line of a file, so that it stands in no list of processes and no history.

import { readFile } from 'node:fs/promises';
import { ConfigError } from '../config.ts';
import { MIN_PASSPHRASE } from '../database/sealed-file.ts';

export async function readPassphraseFile(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError(
      `The file of the passphrase, ${path}, cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  });
  const [passphrase = ''] = text.split(/\r?\n/, 1);
  if (passphrase.length < MIN_PASSPHRASE)
    throw new ConfigError(
      `The first line of ${path} has ${passphrase.length} characters; a passphrase has ${MIN_PASSPHRASE} or more.`,
    );
  return passphrase;
}
