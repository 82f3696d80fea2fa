// `grandstand app`: applications, made and listed.

import { defineCommand } from 'citty';
import { CLIENT_ID, MIN_SECRET_LENGTH } from '../applications/application.ts';
import { createApplication } from '../applications/application-service.ts';
import { listApplications } from '../applications/application-store.ts';
import { ConfigError } from '../config.ts';
import { formatInstant } from '../instant.ts';
import { audited } from './audited.ts';
import { withApp } from './open-app.ts';

const create = defineCommand({
  meta: { name: 'create', description: 'Make an application and show its client id and client secret.' },
  args: {
    name: { type: 'positional', required: true, description: 'What producers see.' },
    'client-id': { type: 'string', description: 'A client id of your choice. Default: 40 random characters.' },
    'client-secret': { type: 'string', description: 'A client secret of your choice, 32 characters or more.' },
  },
  async run({ args }) {
    const { name, 'client-id': clientId, 'client-secret': clientSecret } = args;
    if (clientId !== undefined && !CLIENT_ID.test(clientId)) {
      throw new ConfigError('--client-id: must be 4 to 64 characters of A-Z, a-z, 0-9, _ and -.');
    }
    if (clientSecret !== undefined && clientSecret.length < MIN_SECRET_LENGTH) {
      throw new ConfigError(`--client-secret: must have ${MIN_SECRET_LENGTH} characters or more.`);
    }
    await withApp(async ({ app: { context } }) => {
      const options = {
        name,
        ...(clientId !== undefined && { clientId }),
        ...(clientSecret !== undefined && { clientSecret }),
      };
      const made = await audited(context, undefined, { action: 'createApplication' }, () =>
        createApplication(context, options),
      );
      if (!made.created) throw new ConfigError(`--client-id: '${made.application.client_id}' is taken.`);
      const { client_id: id, secrets } = made.application;
      process.stdout.write(`client id      ${id}\nclient secret  ${secrets[0] ?? ''}\n`);
    });
  },
});

const list = defineCommand({
  meta: { name: 'list', description: 'List the applications.' },
  run: () =>
    withApp(async ({ app: { context } }) => {
      for (const row of await listApplications(context.db)) {
        process.stdout.write(`${row.client_id}\t${formatInstant(row.created_at)}\t${row.name}\n`);
      }
    }),
});

export const appCommand = defineCommand({
  meta: { name: 'app', description: 'Make and list applications.' },
  subCommands: { create, list },
});
