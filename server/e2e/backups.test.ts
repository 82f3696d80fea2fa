// A backup that is taken under load, restored elsewhere by the command line: nothing that was acknowledged before is missing, every
// membership is right, and the fans' tokens are good.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAdminClient, type AdminClient } from '@grandstand/sdk/server';
import { expect, it } from 'vitest';
import { startTestBucket, variablesOf } from '../src/testing/s3.ts';
import { BOOTSTRAP, CLI, eventually, run, startProcess, withFolder } from './server-process.ts';

const PATIENCE_MS = 600_000;
const UNLIMITED = { RATE_LIMIT_ADDRESS: '0', RATE_LIMIT_APPLICATION: '0' };
const WRITERS = 4;
const ENOUGH = 20;

const adminOf = (endpoint: string): AdminClient =>
  createAdminClient({
    clientId: BOOTSTRAP.BOOTSTRAP_CLIENT_ID,
    endpoint,
    accessToken: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN,
    retries: 0,
  });

it('a backup under load, from a bucket, restored elsewhere', { timeout: PATIENCE_MS }, () =>
  withFolder(async (folder) => {
    const bucket = await startTestBucket();
    try {
      const secret = join(folder, 'passphrase');
      await writeFile(secret, 'rain on the north stand\n', { mode: 0o600 });
      await mkdir(join(folder, 'data'), { mode: 0o755 });
      const env = {
        ...BOOTSTRAP,
        ...UNLIMITED,
        ...variablesOf(bucket),
        BACKUP_PASSPHRASE_FILE: secret,
        DATA_DIR: join(folder, 'data'),
      };
      const server = await startProcess(env);
      const admin = adminOf(server.url);
      const { id: group } = await admin.groups.create({
        name: 'Talkative',
        membership_type: 'dynamic',
        rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 1 },
      });
      /** Fans whose comment was acknowledged, with their tokens. */
      const fans = new Map<string, string>();
      let isOver = false;
      const write = async (): Promise<void> => {
        while (!isOver) {
          const { id, access_token: token } = await admin.profiles.create();
          await admin.activities.send([{ id: 'one', type: 'comment-created', profile_id: id }]);
          fans.set(id, token);
        }
      };
      const writers = Promise.all(Array.from({ length: WRITERS }, write));
      let before: string[];
      try {
        await eventually(
          () => Promise.resolve(fans.size),
          (size) => size >= ENOUGH,
          PATIENCE_MS,
        );
        before = [...fans.keys()];
        const made = await run([CLI, 'backup'], env);
        expect(made).toMatchObject({ code: 0, stderr: '' });
        expect(made.stdout).toMatch(
          /^grandstand-\S+\.backup is in s3:\/\/backups\/grandstand\/eu\/, checked: \d+ rows were restored$/m,
        );
        expect(fans.size).toBeGreaterThan(before.length);
      } finally {
        isOver = true;
        await writers;
        server.kill('SIGTERM');
      }
      expect(await server.exit).toBe(0);

      const listed = await run([CLI, 'backups'], env);
      expect(listed.stdout).toMatch(/^grandstand-\S+\.backup\t\d+ bytes\tchecked 2\S+Z\n$/);
      const elsewhere = { ...env, DATA_DIR: join(folder, 'restored') };
      const wrong = await run([CLI, 'restore', '--stored', 'grandstand-none.backup'], elsewhere);
      expect(wrong.code).toBe(1);
      const restored = await run([CLI, 'restore', '--stored', 'latest'], elsewhere);
      expect(restored).toMatchObject({ code: 0, stderr: '' });

      const again = await startProcess(elsewhere);
      try {
        const known = adminOf(again.url);
        for (const id of before) {
          expect(await known.profiles.get(id)).toMatchObject({ id });
          const own = await fetch(`${again.url}/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/profile/`, {
            headers: { authorization: `Bearer ${fans.get(id)}` },
          });
          expect(own.status).toBe(200);
        }
        await eventually(
          async () => (await known.groups.get(group)).profile_count,
          (count) => count >= before.length,
          PATIENCE_MS,
        );
        expect(await known.groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
      } finally {
        again.kill('SIGTERM');
        await again.exit;
      }
    } finally {
      await bucket.stop();
    }
  }),
);
