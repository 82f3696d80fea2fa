// `grandstand merge`: two profiles of one fan become one.

import { defineCommand } from 'citty';
import { ConfigError } from '../config.ts';
import type { Context } from '../context.ts';
import type { Application } from '../applications/application.ts';
import { mergeProfiles, resolveProfile, type Merged } from '../merging/merging-service.ts';
import { audited } from './audited.ts';
import { explained } from './explained.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

export const mergeCommand = defineCommand({
  meta: { name: 'merge', description: 'Make two profiles of one fan one.' },
  args: {
    from: { type: 'positional', required: true, description: 'The profile that goes: its id, or custom:… .' },
    into: { type: 'positional', required: true, description: 'The profile that stays: its id, or custom:… .' },
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
    tokens: {
      type: 'string',
      description: 'Whether the tokens of the first follow or die: follow, revoke.',
      default: 'revoke',
    },
    force: { type: 'boolean', default: false, description: 'Also where both have a custom id.' },
    'dry-run': { type: 'boolean', default: false, description: 'Only say what would change.' },
  },
  async run({ args }) {
    const { tokens, force } = args;
    if (tokens !== 'follow' && tokens !== 'revoke')
      throw new ConfigError(`--tokens: must be follow or revoke, not "${tokens}".`);
    await withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      const [sourceId, targetId] = [
        await find(context, application, args.from),
        await find(context, application, args.into),
      ];
      const request = { sourceId, targetId, tokens, force, actor: 'command line' } as const;
      const change = {
        action: 'mergeProfile',
        object: { type: 'profile', id: sourceId },
        request: { into: targetId, tokens, force },
      };
      const merged = await explained(() =>
        audited(context, application, change, () => mergeProfiles(context, application, request, args['dry-run'])),
      );
      process.stdout.write(describe(merged, args['dry-run']));
    });
  },
});

async function find(context: Context, application: Application, reference: string): Promise<string> {
  const id = await resolveProfile(context.db, application, reference);
  if (id === undefined) throw new ConfigError(`There is no profile '${reference}' in ${application.client_id}.`);
  return id;
}

function describe({ merge, groups }: Merged, isDryRun: boolean): string {
  const lines = [
    `${merge.profileId} ${isDryRun ? 'would become' : 'is now'} ${merge.targetId}`,
    `activities ${merge.activities}, of both ${merge.duplicates}`,
    `groups entered ${groups.entered.length}, left ${groups.left.length}`,
  ];
  if (!isDryRun && merge.progress < 1) lines.push('its history is brought over in the background; it counts already');
  return `${lines.join('\n')}\n`;
}
