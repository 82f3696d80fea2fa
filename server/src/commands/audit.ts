// `grandstand audit`: who changed what, newest first, as lines to read or as a file.

import { defineCommand } from 'citty';
import { exportEntries } from '../audit/audit-export.ts';
import { pageOfEntries, type AuditFilter, type AuditRow } from '../audit/audit-store.ts';
import { ConfigError } from '../config.ts';
import { formatInstant } from '../instant.ts';
import { readCountOption } from './count-option.ts';
import { findApplication } from './find-application.ts';
import { readInstantOption } from './instant-option.ts';
import { withApp } from './open-app.ts';

const MAX_LINES = 10_000;

export const auditCommand = defineCommand({
  meta: { name: 'audit', description: 'List who changed what, newest first.' },
  args: {
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
    actor: { type: 'string', description: 'An e-mail address, the name of a token or of a user of the machine.' },
    action: { type: 'string', description: 'An operation, such as updateGroup.' },
    'object-type': { type: 'string', description: 'Such as group or profile.' },
    'object-id': { type: 'string', description: 'Its id.' },
    since: { type: 'string', description: 'ISO 8601.' },
    until: { type: 'string', description: 'ISO 8601; not included.' },
    limit: { type: 'string', default: '50', description: `How many lines, at most ${MAX_LINES}.` },
    format: { type: 'string', default: 'text', description: 'text, or all of them as csv or ndjson.' },
  },
  async run({ args }) {
    const { format } = args;
    if (format !== 'text' && format !== 'csv' && format !== 'ndjson')
      throw new ConfigError(`--format: must be text, csv or ndjson, not "${format}".`);
    const limit = readCountOption('limit', args.limit, MAX_LINES);
    const filter = readFilter(args);
    await withApp(async ({ app: { context } }) => {
      const { id } = await findApplication(context, args.app);
      if (format === 'text') {
        const page = { size: limit, number: 1, cursor: undefined, wantsCount: false };
        const { rows } = await pageOfEntries(context.db, id, filter, page);
        for (const row of rows.slice(0, limit)) process.stdout.write(lineOf(row));
      } else for await (const text of exportEntries(context.db, id, filter, format)) process.stdout.write(text);
    });
  },
});

interface Args {
  actor?: string | undefined;
  action?: string | undefined;
  'object-type'?: string | undefined;
  'object-id'?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

function readFilter(args: Args): AuditFilter {
  const [since, until] = [readInstantOption('since', args.since), readInstantOption('until', args.until)];
  return {
    ...(args.actor !== undefined && { actor: args.actor }),
    ...(args.action !== undefined && { action: args.action }),
    ...(args['object-type'] !== undefined && { objectType: args['object-type'] }),
    ...(args['object-id'] !== undefined && { objectId: args['object-id'] }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
}

function lineOf(row: AuditRow): string {
  const actor = row.actor_kind === 'command line' ? `${row.actor_name} (command line)` : row.actor_name;
  const object = row.object_type === null ? '' : `${row.object_type} ${row.object_name ?? row.object_id ?? ''}`.trim();
  // Names are what people chose: a line stays a line.
  const cells = [formatInstant(row.at), actor, row.address ?? '-', row.action, object];
  return `${cells.map((cell) => cell.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')).join('\t')}\n`;
}
