// `grandstand upgrade`: the embedded database to the major version of PostgreSQL that this Grandstand comes with.

import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import { ConfigError, readConfig } from '../config.ts';
import { upgrade } from '../database/upgrade.ts';

export const upgradeCommand = defineCommand({
  meta: {
    name: 'upgrade',
    description:
      'Move the embedded database to this version’s PostgreSQL. The server is stopped; the old data are kept.',
  },
  args: {
    programs: {
      type: 'string',
      description: 'Where npm installed the old programs already. Default: npm fetches them.',
    },
  },
  async run({ args }) {
    const { databaseUrl, dataDir } = readConfig(process.env);
    if (databaseUrl !== undefined)
      throw new ConfigError('DATABASE_URL is set: upgrade it with pg_upgrade or your provider.');
    const tell = (message: string): void => void process.stderr.write(`${message}\n`);
    const done = await upgrade(dataDir, {
      log: { info: tell, warn: tell, error: tell },
      ...(args.programs !== undefined && { programs: resolve(args.programs) }),
    });
    process.stdout.write(
      done === undefined
        ? 'nothing to do: the database is one of this version’s PostgreSQL\n'
        : `PostgreSQL ${done.from} → ${done.to}: ${done.rows} rows of ${done.tables} tables were copied and counted.\n` +
            `The old database is in ${done.kept}: delete it once all is well.\n`,
    );
  },
});
