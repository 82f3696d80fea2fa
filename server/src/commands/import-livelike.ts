// `grandstand import livelike`: an application of LiveLike, or of another Grandstand, read in by its REST API.

import { defineCommand } from 'citty';
import type { Application } from '../applications/application.ts';
import { ConfigError } from '../config.ts';
import type { Context } from '../context.ts';
import { importLiveLike } from '../imports/livelike/livelike-import.ts';
import { openSource } from '../imports/livelike/source.ts';
import { openProgress } from '../progress.ts';
import { auditBeforehand } from './audited.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

export const importLiveLikeCommand = defineCommand({
  meta: {
    name: 'import livelike',
    description: 'Read profiles, groups and members of LiveLike, or of another Grandstand, in by its REST API.',
  },
  args: {
    endpoint: {
      type: 'string',
      required: true,
      description: 'Of the API to read from, such as https://cf-blast.livelikecdn.com/api/v1/.',
    },
    'client-id': { type: 'string', required: true, description: 'Of the application there.' },
    token: {
      type: 'string',
      required: true,
      description: 'An access token of a producer there; - reads it from stdin.',
    },
    app: { type: 'string', description: 'Client id of the application here. Default: the same client id.' },
    dynamic: {
      type: 'string',
      default: 'rule',
      description: 'Dynamic groups: rule keeps their rules; members makes static groups of those who are in them now.',
    },
  },
  async run({ args }) {
    const { endpoint, 'client-id': clientId, dynamic } = args;
    if (dynamic !== 'rule' && dynamic !== 'members')
      throw new ConfigError(`--dynamic: must be rule or members, not "${dynamic}".`);
    const token = args.token === '-' ? await readStdin() : args.token;
    const source = openSource({ endpoint, clientId, token });
    const progress = openProgress();
    await withApp(async ({ app: { context } }) => {
      const application = await findTarget(context, args.app, clientId);
      const counts = await importLiveLike(context, application, {
        source,
        clientId,
        dynamic,
        progress,
        onBegin: () =>
          auditBeforehand(context, application, {
            action: 'importLiveLike',
            object: { type: 'application', id: application.client_id, name: application.name },
            request: { endpoint, client_id: clientId, dynamic },
          }),
      });
      const { attributes, profiles, changed, groups, members, entered, problems } = counts;
      progress.note(
        `done: ${attributes} attributes, ${profiles} profiles (${changed} new or changed), ${groups} groups, ` +
          `${members} members (${entered} new), ${problems} left out`,
      );
    });
  },
});

async function findTarget(context: Context, asked: string | undefined, clientId: string): Promise<Application> {
  if (asked !== undefined) return findApplication(context, asked);
  const same = await context.applications.find(clientId);
  if (same) return same;
  throw new ConfigError(
    `There is no application '${clientId}' here. Make it with \`grandstand app create NAME --client-id=${clientId} --client-secret=…\` ` +
      '(client-signed tokens then go on working), or say --app.',
  );
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.trim();
}
