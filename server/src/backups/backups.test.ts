// Backups of a running server: made, put away, read back, restored, counted; by a schedule; and what the doctor says of them.

import { mkdtempSync, chmodSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig, type Config } from '../config.ts';
import { restore } from '../database/backup.ts';
import { sql } from '../database/database.ts';
import { MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import { createMetrics } from '../metrics.ts';
import { makeFolder, query, start } from '../testing/embedded-harness.ts';
import { startTestBucket, variablesOf } from '../testing/s3.ts';
import { scratchRoot } from '../testing/scratch.ts';
import { startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { createBackupChores, isDue, type BackupChores } from './backup-chores.ts';
import { listBackups, nameAt, openStore, removeOld, reportOf, type BackupReport } from './backup-store.ts';
import { makeBackup, type MadeBackup, type MakeBackup } from './make-backup.ts';

const PASSPHRASE = 'rain on the north stand';
const HOUR = 3_600_000_000;
/** Each backup is a start of PostgreSQL and a copy of all of it: seconds, on a machine that does other things a minute. */
const PATIENCE_MS = 300_000;
const at = (text: string): Instant => parseInstant(text) ?? NaN;

let folder: string;
let dataDir: string;
let server: TestServer;
let profileId: string;
let groupId: string;
beforeAll(async () => {
  // Not makeFolder's, which go after each test.
  folder = mkdtempSync(join(scratchRoot(), 'backups-test-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
  server = await startTestServer({ databaseUrl: '', env: { DATA_DIR: dataDir, SECRET_KEY: '' } });
  for (let i = 0; i < 20; i++) {
    ({ id: profileId } = await server.sdk.profiles.create());
    await comment(profileId);
  }
  ({ id: groupId } = await server.sdk.groups.create({ name: 'Fans', description: 'One of them' }));
  await server.sdk.groups.addMembers(groupId, { profile_ids: [profileId] });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function comment(profile: string, id = 'a'): Promise<void> {
  await server.sdk.activities.send([{ id, type: 'comment-created', profile_id: profile }]);
}

const configOf = (variables: Record<string, string>): Config => readConfig({ DATA_DIR: dataDir, ...variables });

function settingsOf(
  variables: Record<string, string>,
): Pick<MakeBackup, 'store' | 'keep' | 'isChecked' | 'passphraseFile'> {
  const { backup } = configOf(variables);
  if (!backup) throw new Error('BACKUP_TO is not set');
  return { ...backup, store: openStore(backup.target) };
}

const make = (options: ReturnType<typeof settingsOf> & Partial<MakeBackup>): Promise<MadeBackup> =>
  makeBackup({ dataDir, now: () => server.app.context.clock.now(), ...options });

const workFolders = async (): Promise<string[]> =>
  (await readdir(dataDir)).filter((name) => name.startsWith('backup-work-'));

describe('a backup', { timeout: PATIENCE_MS }, () => {
  it('into a folder is read back and restored, its rows are counted, and the folder holds it and what was found', async () => {
    const to = makeFolder();
    const made = await make({ ...settingsOf({ BACKUP_TO: to }), now: () => at('2026-03-01T03:00:00.123456Z') });
    expect(made.name).toBe('grandstand-20260301T030000123Z.backup');
    expect((await readdir(to)).sort()).toEqual([made.name, reportOf(made.name)].sort());
    const report = JSON.parse(readFileSync(join(to, reportOf(made.name)), 'utf8')) as BackupReport;
    expect(report).toEqual(made.report);
    expect(report).toMatchObject({
      checked_at: '2026-03-01T03:00:00.123456Z',
      encrypted: false,
      rows: { profiles: 20, activities: 20, members: 1, applications: 1 },
    });
    expect(made.hasSecretKey).toBe(true);
    expect(await workFolders()).toEqual([]);

    const target = join(makeFolder(), 'restored');
    await restore(join(to, made.name), target);
    const restored = await start(target);
    expect(await query(restored.url, 'select count(*)::int as n from profiles')).toEqual([{ n: 20 }]);
  });

  it('is made while fans come and go, and nothing of that looks like damage', async () => {
    const comeAndGo = async (): Promise<void> => {
      const { id } = await server.sdk.profiles.create();
      await server.sdk.groups.addMembers(groupId, { profile_ids: [id] });
      await comment(id);
      await server.sdk.profiles.erase(id);
    };
    for (let i = 0; i < 4; i++) await comeAndGo();
    let isOver = false;
    const busy = (async () => {
      while (!isOver) await comeAndGo();
    })();
    try {
      const { report } = await make(settingsOf({ BACKUP_TO: makeFolder() }));
      expect(report.rows['changes']).toBeGreaterThan(6);
    } finally {
      isOver = true;
      await busy;
    }
  });

  it('whose rows are not those that were counted is no good one', async () => {
    const settings = settingsOf({ BACKUP_TO: makeFolder() });
    const miscount = (by: number): Promise<unknown> =>
      server.app.context.db.query(
        sql`update group_heads set profile_count = profile_count + ${by}::int where group_id = ${groupId}`,
      );
    await miscount(1);
    try {
      await expect(make(settings)).rejects.toThrow(`members of group ${groupId}: 1 rows where 2 were counted`);
    } finally {
      await miscount(-1);
    }
    expect((await listBackups(settings.store)).map(({ isGood }) => isGood)).toEqual([false]);
    expect(await workFolders()).toEqual([]);
  });

  it('that lacks what was acknowledged, or was cut off on its way, is no good one', async () => {
    const to = makeFolder();
    const settings = settingsOf({ BACKUP_TO: to });
    const { name: older } = await make({ ...settings, isChecked: false });
    await comment(profileId, 'late');
    const swap = (name: string): Promise<void> => Promise.resolve(copyFileSync(join(to, older), join(to, name)));
    await expect(make({ ...settings, onStored: swap })).rejects.toThrow(
      'the newest activities of 1 applications, acknowledged before, are missing',
    );
    const cut = (name: string): Promise<void> => Promise.resolve(truncateSync(join(to, name), 5000));
    await expect(make({ ...settings, onStored: cut })).rejects.toMatchObject({ code: 'bad-backup' });
    const good = (await listBackups(settings.store)).filter(({ isGood }) => isGood);
    expect(good.map(({ name }) => name)).toEqual([older]);
    expect(await workFolders()).toEqual([]);
  });

  it('into a bucket is encrypted, survives a store that stumbles, and comes back', async () => {
    const bucket = await startTestBucket();
    try {
      const passphrases = makeFolder();
      const secret = join(passphrases, 'passphrase');
      writeFileSync(secret, `${PASSPHRASE}\n`, { mode: 0o600 });
      const settings = settingsOf({ ...variablesOf(bucket), BACKUP_PASSPHRASE_FILE: secret });
      bucket.fail(2);
      const { name, report } = await make(settings);
      expect(report).toMatchObject({ encrypted: true, rows: { applications: 1 } });
      expect([...bucket.objects.keys()].sort()).toEqual(
        [`grandstand/eu/${name}`, `grandstand/eu/${reportOf(name)}`].sort(),
      );
      expect(bucket.objects.get(`grandstand/eu/${name}`)?.subarray(0, 20).toString()).toBe('GRANDSTAND SEALED 1\n');
      const target = join(makeFolder(), 'restored');
      await restore(await settings.store.fetch(name, passphrases), target, { passphrase: PASSPHRASE });
      const restored = await start(target);
      expect(await query(restored.url, 'select client_id from applications')).toEqual([{ client_id: 'test-app' }]);
    } finally {
      await bucket.stop();
    }
  });
});

describe('scheduled backups', { timeout: PATIENCE_MS }, () => {
  it.each([
    ['P1D', '2026-03-01T00:00:01Z', '2026-03-01T23:59:59Z', false],
    ['P1D', '2026-03-01T23:59:59Z', '2026-03-02T00:00:00Z', true],
    ['PT6H', '2026-03-01T06:00:00Z', '2026-03-01T11:59:59Z', false],
    ['PT6H', '2026-03-01T11:59:59Z', '2026-03-01T12:00:00Z', true],
    ['PT7H', '2026-03-01T21:00:00Z', '2026-03-02T00:00:00Z', true],
    ['P7D', '2026-03-01T00:00:00Z', '2026-03-09T00:00:00Z', true],
  ])('%s: after one of %s another at %s is due: %s', (every, last, now, expected) => {
    const { backup } = configOf({ BACKUP_TO: '/backups', BACKUP_EVERY: every });
    expect(isDue(at(last), at(now), backup?.every ?? 0)).toBe(expected);
  });

  it('are made when due, go on after a start where they stopped, keep so many, and tell metrics and doctor', async () => {
    const to = makeFolder();
    const clock = testClock('2026-03-01T12:00:00.000000Z');
    const { log } = server.app.context;
    const config = configOf({ BACKUP_TO: to, BACKUP_KEEP: '2', BACKUP_CHECK: 'false' });
    const begin = (): { chores: BackupChores; read: (name: string) => Promise<number> } => {
      const metrics = createMetrics();
      const chores = createBackupChores({ clock, config, log, metrics });
      if (!chores) throw new Error('no settings');
      const read = async (name: string) =>
        Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await metrics.registry.metrics())?.[1]);
      return { chores, read };
    };
    const first = begin();
    expect(await first.read('grandstand_backup_age_seconds')).toBeNaN();
    expect(await first.chores.run()).toMatchObject({ removed: [] });
    expect(await first.chores.run()).toBeUndefined();
    clock.advance(HOUR);
    expect(await first.read('grandstand_backup_age_seconds')).toBeCloseTo(3600, 0);
    expect(await first.read('grandstand_backup_bytes')).toBeGreaterThan(10_000);
    expect(await first.read('grandstand_backups_total\\{outcome="made"\\}')).toBe(1);
    await first.chores.stop();

    const second = begin();
    expect(await second.chores.run()).toBeUndefined();
    expect(await second.read('grandstand_backup_age_seconds')).toBeCloseTo(3600, 0);
    for (const day of ['02', '03']) {
      clock.set(`2026-03-${day}T00:00:30.000000Z`);
      expect(await second.chores.run()).toBeDefined();
    }
    expect((await listBackups(openStore({ folder: to }))).map(({ name }) => name.slice(11, 19))).toEqual([
      '20260303',
      '20260302',
    ]);
    expect(await readdir(to)).toHaveLength(4);

    // The folder is away: told, tried again later, late in the end.
    await rm(to, { recursive: true });
    writeFileSync(to, 'a file in its place');
    clock.set('2026-03-04T00:00:30.000000Z');
    await expect(second.chores.run()).rejects.toMatchObject({ code: 'not-writable' });
    expect(await second.chores.run()).toBeUndefined();
    expect(await second.read('grandstand_backups_total\\{outcome="failed"\\}')).toBe(1);
    expect(await second.read('grandstand_backup_age_seconds')).toBeCloseTo(86_400, 0);
    await rm(to);
    clock.advance(HOUR);
    expect(await second.chores.run()).toBeDefined();
    await second.chores.stop();
  });

  it('leave what is not theirs, and never delete the last good ones for newer ones that failed', async () => {
    const to = makeFolder();
    const store = openStore({ folder: to });
    writeFileSync(join(to, 'thesis.txt'), 'mine');
    await mkdir(join(to, 'grandstand-20250101T000000000Z.backup'));
    const put = async (day: number, isGood: boolean): Promise<void> => {
      const name = nameAt(at('2026-03-01T00:00:00Z') + day * MICROS_PER_DAY);
      writeFileSync(join(to, name), 'x');
      if (isGood) await store.putText(reportOf(name), '{}');
    };
    await put(0, true);
    await put(1, true);
    await put(2, true);
    for (let day = 3; day < 8; day++) await put(day, false);
    await removeOld(store, 2);
    expect((await listBackups(store)).map((backup) => `${backup.name.slice(15, 19)} ${String(backup.isGood)}`)).toEqual(
      ['0308 false', '0307 false', '0303 true', '0302 true'],
    );
    expect(await readdir(to)).toEqual(expect.arrayContaining(['thesis.txt', 'grandstand-20250101T000000000Z.backup']));
  });
});
