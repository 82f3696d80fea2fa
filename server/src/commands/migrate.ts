// `grandstand migrate`: brings the database's tables up to this version and nothing else.

import { defineCommand } from 'citty';
import { readConfig } from '../config.ts';
import { migrate } from '../database/migrate.ts';
import { startEmbedded } from '../database/embedded.ts';

export const migrateCommand = defineCommand({
  meta: { name: 'migrate', description: 'Bring the tables of the database up to this version.' },
  async run() {
    const config = readConfig(process.env);
    const embedded = config.databaseUrl === undefined ? await startEmbedded({ dataDir: config.dataDir }) : undefined;
    try {
      const { applied } = await migrate(config.databaseUrl ?? embedded?.url ?? '');
      process.stdout.write(applied.length === 0 ? 'nothing to do\n' : `applied ${applied.join(', ')}\n`);
    } finally {
      await embedded?.stop();
    }
  },
});
