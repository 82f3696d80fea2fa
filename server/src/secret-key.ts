// SECRET_KEY where none was given: made once, kept in DATA_DIR with mode 0600. And the check that a database is opened
// with the key that it was made with.

import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from './config.ts';
import { SECRET_KEY_FILE } from './data-files.ts';
import { sql, type Queryable } from './database/database.ts';
import { deriveSecrets, sameText } from './secrets.ts';

export async function readSecretKey(dataDir: string): Promise<string> {
  const file = join(dataDir, SECRET_KEY_FILE);
  try {
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const key = (await readFile(file, 'utf8')).trim();
  if (key.length < 32) throw new ConfigError(`${file} holds no secret key; restore it from a backup.`);
  return key;
}

/** Throws where the database belongs to another key: its secrets could not be opened and every token would be refused. */
export async function checkSecretKey(db: Queryable, secretKey: string): Promise<void> {
  const mark = deriveSecrets(secretKey).fingerprint('secret-key', 'grandstand').toString('base64');
  await db.query(sql`insert into settings (key, value) values ('secret_key_mark', ${mark}) on conflict do nothing`);
  const { rows } = await db.query<{ value: string }>(sql`select value from settings where key = 'secret_key_mark'`);
  if (!rows[0] || !sameText(rows[0].value, mark)) {
    throw new ConfigError(
      'SECRET_KEY: is not the one this database was made with; its tokens and secrets cannot be read.',
    );
  }
}
