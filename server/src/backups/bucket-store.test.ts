import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../config.ts';
import { makeFolder } from '../testing/embedded-harness.ts';
import { startTestBucket, variablesOf, type TestBucket } from '../testing/s3.ts';
import { openStore, type BackupStore } from './backup-store.ts';

let bucket: TestBucket;
beforeEach(async () => {
  bucket = await startTestBucket();
});
afterEach(() => bucket.stop());

function openBucket(variables: Record<string, string> = {}): BackupStore {
  const { backup } = readConfig({ ...variablesOf(bucket), ...variables });
  if (!backup) throw new Error('BACKUP_TO is not set');
  return openStore(backup.target);
}

it('takes what is larger than a part, in parts of one size, leaves none behind, and lists more than a page', async () => {
  const store = openBucket();
  const bytes = Buffer.alloc(36 * 1024 ** 2, 'fans');
  const file = join(makeFolder(), 'large');
  writeFileSync(file, bytes);
  await store.put('large', file);
  expect(bucket.objects.get('grandstand/eu/large')?.equals(bytes)).toBe(true);
  for (let i = 0; i < 5; i++) await store.putText(`${i}.json`, '{}');
  expect((await store.list()).map(({ name, bytes: size }) => `${name} ${size}`).sort()).toEqual([
    '0.json 2',
    '1.json 2',
    '2.json 2',
    '3.json 2',
    '4.json 2',
    `large ${bytes.length}`,
  ]);
  const back = await store.fetch('large', makeFolder());
  expect(readFileSync(back).equals(bytes)).toBe(true);
  await store.remove('large');
  await store.remove('large');
  await expect(store.fetch('large', makeFolder())).rejects.toThrow('large is not in s3://backups/grandstand/eu/');
});

it('takes back the parts of what it could not end', async () => {
  const store = openBucket();
  const file = join(makeFolder(), 'large');
  writeFileSync(file, Buffer.alloc(17 * 1024 ** 2));
  bucket.refuseParts(2);
  await expect(store.put('large', file)).rejects.toThrow(
    /^storing a backup in s3:\/\/backups\/grandstand\/eu\/ failed: .*403/,
  );
  expect(bucket.uploads.size).toBe(0);
  expect(await store.list()).toEqual([]);
  expect(readFileSync(file)).toHaveLength(17 * 1024 ** 2);
});

it('that refuses or is not there says which, and where', async () => {
  await expect(openBucket({ AWS_SECRET_ACCESS_KEY: 'another' }).list()).rejects.toThrow(/SignatureDoesNotMatch/);
  await expect(openBucket({ BACKUP_TO: 's3://nowhere/x' }).list()).rejects.toThrow(
    /there is no bucket nowhere at http/,
  );
  const away = openBucket();
  await bucket.stop();
  await expect(away.list()).rejects.toThrow(/^listing backups in s3:\S+ failed: .*ECONNREFUSED/);
});

it.each([
  [{ BACKUP_TO: 'backups' }, /^BACKUP_TO: must be the absolute path/],
  [{ BACKUP_TO: 's3://B/x' }, /^BACKUP_TO: must name a bucket/],
  [{ BACKUP_TO: 's3://backups', AWS_ACCESS_KEY_ID: '' }, /^AWS_ACCESS_KEY_ID: is required/],
  [{ BACKUP_ENDPOINT: 'https://store.example.com/backups' }, /^BACKUP_ENDPOINT: must be an http/],
  [{ BACKUP_EVERY: 'PT1M' }, /^BACKUP_EVERY: must be from PT5M to P31D/],
  [{ BACKUP_EVERY: 'daily' }, /^BACKUP_EVERY: must be 0 or an ISO 8601 duration/],
  [{ BACKUP_KEEP: '0' }, /^BACKUP_KEEP: must be a whole number from 1/],
  [{ DATABASE_URL: 'postgres://x/y', SECRET_KEY: 'x'.repeat(32) }, /^BACKUP_TO: is for the embedded database/],
])('%j is refused', (variables, problem) => {
  expect(() => openBucket(variables)).toThrow(problem);
});
