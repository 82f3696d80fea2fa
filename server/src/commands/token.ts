// `grandstand token`: admin access tokens, made, listed and revoked.

import { defineCommand } from 'citty';
import { createAdminToken } from '../applications/application-service.ts';
import { listAdminTokens, revokeAdminToken } from '../applications/application-store.ts';
import { ConfigError } from '../config.ts';
import { readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { audited } from './audited.ts';
import { findApplication } from './find-application.ts';
import { readInstantOption } from './instant-option.ts';
import { withApp } from './open-app.ts';

const MAX_TOKENS = 1000;
const app = { type: 'string', description: 'Client id of the application. Default: the first one.' } as const;

const create = defineCommand({
  meta: { name: 'create', description: 'Make an admin access token and show it, once.' },
  args: {
    name: { type: 'positional', required: true, description: 'What it is for.' },
    app,
    'read-only': { type: 'boolean', default: false, description: 'It may only read, preview and verify.' },
    'expires-at': { type: 'string', description: 'When it dies by itself, ISO 8601. Default: never.' },
  },
  async run({ args }) {
    const expiresAt = readInstantOption('expires-at', args['expires-at']) ?? null;
    await withApp(async (opened) => {
      const { context } = opened.app;
      if (expiresAt !== null && expiresAt <= context.clock.now())
        throw new ConfigError('--expires-at: must be in the future.');
      const application = await findApplication(context, args.app);
      const options = { name: args.name, readOnly: args['read-only'], expiresAt };
      const { token } = await audited(context, application, { action: 'createAdminToken', request: options }, () =>
        createAdminToken(context, application.id, options),
      );
      process.stdout.write(`${token}\n`);
    });
  },
});

const list = defineCommand({
  meta: { name: 'list', description: 'List the admin access tokens that were not revoked.' },
  args: { app },
  run: ({ args }) =>
    withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      for (const row of await listAdminTokens(context.db, application.id, MAX_TOKENS)) {
        const expires = row.expires_at === null ? 'never expires' : `expires ${formatInstant(row.expires_at)}`;
        const may = row.read_only ? 'read-only' : 'full';
        process.stdout.write(
          `${row.id}\t…${row.hint}\t${may}\t${expires}\t${row.name}\t${row.created_by ?? 'command line'}\n`,
        );
      }
    }),
});

const revoke = defineCommand({
  meta: { name: 'revoke', description: 'Revoke an admin access token: it is dead at once.' },
  args: { id: { type: 'positional', required: true, description: 'Its id, as `token list` shows it.' }, app },
  run: ({ args }) =>
    withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      const id = readUuid(args.id);
      const now = formatInstant(context.clock.now());
      const change = { action: 'revokeAdminToken', object: { type: 'token', id: id ?? null } };
      await audited(context, application, change, () =>
        context.db.transaction(async (tx) => {
          if (!id || !(await revokeAdminToken(tx, application.id, id, now)))
            throw new ConfigError(`There is no token '${args.id}' in ${application.client_id}.`);
        }),
      );
      process.stdout.write('revoked\n');
    }),
});

export const tokenCommand = defineCommand({
  meta: { name: 'token', description: 'Make, list and revoke admin access tokens.' },
  subCommands: { create, list, revoke },
});
