import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nameAt, openStore, reportOf } from '../backups/backup-store.ts';
import { readConfig, type Config } from '../config.ts';
import { MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import { makeFolder } from '../testing/embedded-harness.ts';
import { checkBackups } from './backups.ts';

const HOUR = 3_600_000_000;
const NOW = parseInstant('2026-03-10T12:00:00Z') ?? NaN;

it('backups are looked at: whether there are any, how old, where, and who can read them', async () => {
  const dataDir = makeFolder();
  const found = async (variables: Record<string, string>, since?: Instant): Promise<string[]> => {
    const config: Config = readConfig({ DATA_DIR: dataDir, ...variables });
    const findings = await checkBackups(config, NOW, since === undefined ? {} : { since });
    return findings.map(({ check, level }) => `${level} ${check}`);
  };
  expect(await found({})).toEqual(['note backups']);
  expect(await found({ DATABASE_URL: 'postgres://x/y', SECRET_KEY: 'x'.repeat(32) })).toEqual([]);

  const to = makeFolder();
  const secret = join(makeFolder(), 'passphrase');
  writeFileSync(secret, 'rain on the north stand\n', { mode: 0o600 });
  const sealed = { BACKUP_TO: to, BACKUP_PASSPHRASE_FILE: secret };
  const disk = 'note backups-disk'; // one for all folders of a test
  expect(await found(sealed)).toEqual([disk, 'warning backups-age']);
  expect(await found(sealed, NOW - MICROS_PER_DAY)).toEqual([disk]);
  expect(await found(sealed, NOW - 3 * MICROS_PER_DAY)).toEqual([disk, 'error backups-age']);
  const put = async (instant: Instant): Promise<void> => {
    writeFileSync(join(to, nameAt(instant)), 'x');
    await openStore({ folder: to }).putText(reportOf(nameAt(instant)), '{}');
  };
  await put(NOW - 2 * MICROS_PER_DAY - 2 * HOUR);
  expect(await found(sealed)).toEqual([disk, 'error backups-age']);
  await put(NOW - 2 * MICROS_PER_DAY);
  expect(await found(sealed)).toEqual([disk]);
  writeFileSync(join(to, nameAt(NOW)), 'x'); // not checked yet
  expect(await found({ BACKUP_TO: to })).toEqual(['note backups-encrypted', disk]);
  writeFileSync(secret, 'short\n');
  chmodSync(secret, 0o644);
  const readable = process.platform === 'win32' ? [] : ['warning file-mode'];
  expect(await found(sealed)).toEqual([disk, 'error backups-passphrase', ...readable]);

  const away = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', BACKUP_ENDPOINT: 'http://127.0.0.1:1' };
  expect(await found({ BACKUP_TO: 's3://backups', ...away })).toEqual([
    'warning backups-encrypted',
    'error backups-age',
  ]);
});
