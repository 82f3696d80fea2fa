// `grandstand migrate`: brings the database's tables up to this version and nothing else.

import { defineCommand } from 'citty';
import { readConfig } from '../config.ts';
import { EmbeddedError } from '../database/embedded-error.ts';
import { startEmbedded } from '../database/embedded.ts';
import { readConnection } from '../database/embedded-place.ts';
import { migrate } from '../database/migrate.ts';

export const migrateCommand = defineCommand({
  meta: { name: 'migrate', description: 'Bring the tables of the database up to this version.' },
  async run() {
    const { databaseUrl, dataDir } = readConfig(process.env);
    const database = databaseUrl === undefined ? await openEmbedded(dataDir) : { url: databaseUrl };
    try {
      const { applied } = await migrate(database.url, {
        onWait: (message) => process.stderr.write(`${message}\n`),
      });
      process.stdout.write(applied.length === 0 ? 'nothing to do\n' : `applied ${applied.join(', ')}\n`);
    } finally {
      await database.stop?.();
    }
  },
});

/** Started, or that of the server which runs already. */
async function openEmbedded(dataDir: string): Promise<{ url: string; stop?: () => Promise<void> }> {
  try {
    return await startEmbedded({ dataDir });
  } catch (error) {
    const isLocked = error instanceof EmbeddedError && error.code === 'locked';
    const url = isLocked ? readConnection(dataDir)?.url : undefined;
    if (url === undefined) throw error;
    return { url };
  }
}
