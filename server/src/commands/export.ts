// `grandstand export KIND FILE`: everything of one kind as a file. It gets its name once it is whole.

import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { defineCommand } from 'citty';
import { ConfigError } from '../config.ts';
import { EXPORTS } from '../exports/export.ts';
import { startExport, type Export, type ExportOptions } from '../exports/export-service.ts';
import { findGroup } from '../groups/group-service.ts';
import { formatInstant } from '../instant.ts';
import { auditBeforehand } from './audited.ts';
import { findApplication } from './find-application.ts';
import { readInstantOption } from './instant-option.ts';
import { withApp } from './open-app.ts';

export const exportCommand = defineCommand({
  meta: { name: 'export', description: 'Write all profiles, activities, members or changes of membership to a file.' },
  args: {
    kind: { type: 'positional', required: true, description: `One of: ${EXPORTS.join(', ')}.` },
    file: { type: 'positional', required: true, description: 'The file; .gz is compressed; - writes to stdout.' },
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
    format: { type: 'string', description: 'csv or ndjson. Default: as the name of the file ends, else csv.' },
    group: { type: 'string', description: 'Of members and changes: of one group, by id or custom:….' },
    type: { type: 'string', description: 'Of activities: only of this type.' },
    since: { type: 'string', description: 'Of activities: happened at or after this instant, ISO 8601.' },
    until: { type: 'string', description: 'Of activities: happened before this instant.' },
    force: { type: 'boolean', default: false, description: 'Replace the file where there is one.' },
  },
  async run({ args }) {
    const kind = EXPORTS.find((each) => each === args.kind);
    if (!kind) throw new ConfigError(`The first argument must be one of ${EXPORTS.join(', ')}, not "${args.kind}".`);
    const format = args.format ?? (/\.(ndjson|jsonl)(\.gz)?$/i.test(args.file) ? 'ndjson' : 'csv');
    if (format !== 'csv' && format !== 'ndjson')
      throw new ConfigError(`--format: must be csv or ndjson, not "${format}".`);
    const file = args.file === '-' ? undefined : resolve(args.file);
    if (file !== undefined && existsSync(file) && !args.force)
      throw new ConfigError(`${file} exists. Say --force to replace it.`);
    await withApp(async ({ app: { context } }) => {
      const application = await findApplication(context, args.app);
      const options: ExportOptions = {
        kind,
        format,
        since: instant('since', args.since),
        until: instant('until', args.until),
      };
      if (args.group !== undefined) {
        const group = await findGroup(context.db, application.id, args.group);
        if (!group?.is_active) throw new ConfigError(`--group: there is no group "${args.group}".`);
        options.groupId = group.id;
      }
      if (args.type !== undefined) {
        const { types } = await context.catalogues.get(application.id);
        options.typeId = types.get(args.type)?.id;
        if (options.typeId === undefined) throw new ConfigError(`--type: there is no activity type "${args.type}".`);
      }
      await auditBeforehand(context, application, {
        action: `export${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)}`,
        request: { format, group: args.group, type: args.type, since: args.since, until: args.until },
      });
      const made = startExport(context, application, options);
      if (file === undefined) return void (await pipeline(made.stream, process.stdout, { end: false }));
      await writeFile(made, file);
      process.stdout.write(`${made.rows().toLocaleString('en')} rows are in ${file}\n`);
    });
  },
});

function instant(name: string, text: string | undefined): string | undefined {
  const at = readInstantOption(name, text);
  return at === undefined ? undefined : formatInstant(at);
}

async function writeFile({ stream }: Export, file: string): Promise<void> {
  const part = `${file}.part`;
  try {
    const target: Writable = createWriteStream(part);
    if (/\.gz$/i.test(file)) await pipeline(stream, createGzip(), target);
    else await pipeline(stream, target);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
