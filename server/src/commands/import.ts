// `grandstand import FILE`: a file of profiles, activities or members, read in with a progress bar.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { defineCommand } from 'citty';
import type { Application } from '../applications/application.ts';
import { ConfigError } from '../config.ts';
import type { Context } from '../context.ts';
import type { FileFormat } from '../files/body.ts';
import { KINDS, MAX_NAME, type Import } from '../imports/import.ts';
import { getImport, receiveImport, rejectedRows, type NewFile } from '../imports/import-service.ts';
import { openProgress, type Progress } from '../progress.ts';
import { audited } from './audited.ts';
import { explained } from './explained.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

const LOOK_MS = 200;
const SHOWN_REJECTIONS = 20;

const args = {
  file: { type: 'positional', required: true, description: 'CSV or NDJSON, gzip or not; - reads stdin.' },
  of: { type: 'string', required: true, description: `What the rows are: ${KINDS.join(', ')}.` },
  app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
  format: { type: 'string', description: 'csv or ndjson. Default: as the name of the file ends.' },
  group: { type: 'string', description: 'Of members: the static group, by id or custom:….' },
  ids: { type: 'string', description: 'Of members: profile_id or custom_id, where the header does not say so.' },
  column: {
    type: 'string',
    description: 'Of members the header of the column with the ids, else <field>:<header>; several with a line each.',
  },
  'no-header': { type: 'boolean', default: false, description: 'The CSV of members has no header.' },
  'ignore-unknown': { type: 'boolean', default: false, description: 'Leave columns out whose header is not known.' },
  'dry-run': { type: 'boolean', default: false, description: 'Judge the rows and store nothing.' },
} as const;

export const importFileCommand = defineCommand({
  meta: { name: 'import', description: 'Read a file of profiles, activities or members in.' },
  args,
  async run({ args: given }) {
    const kind = KINDS.find((each) => each === given.of);
    if (!kind) throw new ConfigError(`--of: must be one of ${KINDS.join(', ')}, not "${given.of}".`);
    const { ids } = given;
    if (ids !== undefined && ids !== 'profile_id' && ids !== 'custom_id')
      throw new ConfigError(`--ids: must be profile_id or custom_id, not "${ids}".`);
    const columns = given.column?.split('\n') ?? [];
    const file: NewFile = {
      kind,
      format: readFormat(given.file, given.format),
      name: given.file === '-' ? 'stdin' : basename(given.file).slice(0, MAX_NAME),
      isDryRun: given['dry-run'],
      asked: {
        columns,
        ignoreUnknown: given['ignore-unknown'],
        ids: { ids, column: kind === 'members' ? columns[0] : undefined, hasHeader: !given['no-header'] },
        group: given.group,
      },
      createdBy: 'command line',
      key: undefined,
    };
    await withApp(async ({ app: { context } }) => {
      const application = await findApplication(context, given.app);
      const request = { of: kind, name: file.name, group: given.group, dry_run: file.isDryRun };
      await audited(context, application, { action: 'createImport', request }, () =>
        importFile(context, application, given.file, file),
      );
    });
  },
});

function readFormat(name: string, format: string | undefined): FileFormat {
  const found =
    format ?? (/\.(csv|tsv|txt)(\.gz)?$/i.test(name) ? 'csv' : /\.(ndjson|jsonl)(\.gz)?$/i.test(name) ? 'ndjson' : '');
  if (found === 'csv' || found === 'ndjson') return found;
  throw new ConfigError(
    format === undefined
      ? `--format: say csv or ndjson; the name "${name}" does not.`
      : `--format: must be csv or ndjson, not "${format}".`,
  );
}

async function importFile(context: Context, application: Application, path: string, file: NewFile): Promise<void> {
  const progress = openProgress();
  const size = path === '-' ? 0 : (await stat(path)).size;
  const reading = progress.begin(`Reading ${file.name} (bytes)`, size);
  const stream = path === '-' ? process.stdin : createReadStream(path);
  stream.on('data', (chunk: string | Buffer) => reading.advance(chunk.length));
  stream.pause(); // whoever reads it takes the rest
  let row: Import;
  try {
    ({ row } = await explained(() => receiveImport(context, application, file, stream)));
  } catch (error) {
    reading.end('Nothing was read in.');
    throw error;
  }
  reading.end(`${row.rows.toLocaleString('en')} rows`);
  row = await follow(context, application, row, progress);
  progress.note(
    `${row.is_dry_run ? 'tried out' : row.state}: ${row.accepted} accepted, ${row.duplicates} duplicates, ${row.rejected} rejected`,
  );
  if (row.rejected > 0) await showRejected(context, row, progress);
  if (row.state === 'failed') throw new ConfigError(`The import failed: ${row.last_error ?? ''}`);
}

/** Until it is done, by this process or by a server that is at it. */
export async function follow(
  context: Context,
  application: Application,
  row: Import,
  progress: Progress,
): Promise<Import> {
  const step = progress.begin(row.is_dry_run ? 'Judging rows' : 'Bringing rows in', row.rows);
  let done = 0;
  for (;;) {
    const now = await getImport(context, application, row.id);
    const so = now.accepted + now.duplicates + now.rejected;
    step.advance(so - done);
    done = so;
    if (now.state === 'done' || now.state === 'failed') {
      step.end(now.state);
      return now;
    }
    await wait(LOOK_MS);
  }
}

async function showRejected(context: Context, row: Import, progress: Progress): Promise<void> {
  let shown = -1; // the header
  for await (const text of rejectedRows(context, row)) {
    for (const line of text.trimEnd().split('\r\n')) {
      if (shown++ < SHOWN_REJECTIONS) progress.note(line);
    }
    if (shown > SHOWN_REJECTIONS) break;
  }
  if (row.rejected > SHOWN_REJECTIONS)
    progress.note(`…and ${row.rejected - SHOWN_REJECTIONS} more: GET …/imports/${row.id}/rejected/`);
}
