// Exports: one transaction that sees one snapshot, COPY out of it, and what COPY gives passed on as fast as it is taken. So
// they need the same memory whatever their size. A slow receiver keeps a connection and a snapshot, which holds up vacuum:
// few may run at once, fewer of one application, and one that takes nothing for a minute is cut off.

import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { onClient } from '../database/client.ts';
import type { Queryable } from '../database/database.ts';
import { ApiError, notFound } from '../errors.ts';
import { listMoves } from '../facts/moves.ts';
import type { FileFormat } from '../files/body.ts';
import { lastLine } from '../files/last-line.ts';
import * as statements from './export-statements.ts';
import type { ExportKind } from './export.ts';
import { listExportedGroups } from './export-store.ts';

export interface ExportOptions extends statements.ActivitySelection {
  kind: ExportKind;
  format: FileFormat;
  /** Of members and changes: of this group alone. */
  groupId?: string | undefined;
  /** Members without their group's columns, as the list that replaces them has it. */
  isGroupsOwn?: boolean;
  /** A line at the end says how many rows there were. */
  lastLine?: boolean;
}

export interface Export {
  stream: Readable;
  /** Once the stream has ended. */
  rows(): number;
}

const AT_ONCE = 4;
/** Of one application. */
const SHARE = 2;
const STALLED_MS = 60_000;
const BUFFER = 256 * 1024;

/** Of each application, by its number. */
const running = new Map<number, number>();

/** Throws where too many run already. */
export function startExport(context: Context, application: Application, options: ExportOptions): Export {
  return startStream(
    context,
    application,
    async function* (client, count) {
      const selects = await plan(onClient(client), context, application, options);
      yield headerOf(selects[0], options);
      for (const select of selects) {
        const copy = client.query(copyTo(statements.copyStatement(select, options.format)));
        yield* copy as AsyncIterable<Buffer>; // what COPY sends
        count(copy.rowCount);
      }
    },
    options.lastLine === true ? (rows) => lastLine(options.format, rows) : undefined,
  );
}

/** What `produce` passes on, read in one snapshot. */
export function startStream(
  context: Context,
  { id }: Application,
  produce: (client: pg.PoolClient, count: (rows: number) => void) => AsyncIterable<Buffer | string>,
  atEnd: (rows: number) => string = () => '',
): Export {
  const leave = enter(id);
  const { out, stopWatching } = createOutput();
  let rows = 0;
  context.db
    .withClient(
      (client) =>
        pipeline(
          produce(client, (more) => (rows += more)),
          out,
          { end: false },
        ),
      'repeatable read',
    )
    .then(
      () => void out.end(atEnd(rows)),
      (error: unknown) => void out.destroy(error instanceof Error ? error : new Error(String(error))),
    )
    .finally(() => {
      stopWatching();
      leave();
    });
  return { stream: out, rows: () => rows };
}

function enter(applicationId: number): () => void {
  const own = running.get(applicationId) ?? 0;
  const all = [...running.values()].reduce((sum, count) => sum + count, 0);
  if (own >= SHARE || all >= AT_ONCE) {
    const which = own >= SHARE ? `${SHARE} exports of this application` : `${AT_ONCE} exports`;
    throw new ApiError('throttled', { detail: `${which} run already; try again soon.`, retryAfter: 5 });
  }
  running.set(applicationId, own + 1);
  return () => {
    const left = (running.get(applicationId) ?? 1) - 1;
    if (left > 0) running.set(applicationId, left);
    else running.delete(applicationId);
  };
}

async function plan(
  db: Queryable,
  context: Context,
  application: Application,
  options: ExportOptions,
): Promise<statements.Select[]> {
  if (options.kind === 'profiles') return [statements.profiles(application.id)];
  if (options.kind === 'activities') {
    const { typesById } = await context.catalogues.refresh(application.id);
    return [statements.activities(application.id, typesById, await listMoves(db, application.id), options)];
  }
  const groups = await listExportedGroups(
    db,
    application.id,
    options.groupId === undefined ? undefined : [options.groupId],
  );
  if (groups.length === 0 && options.groupId !== undefined) throw notFound();
  const withGroup = options.isGroupsOwn !== true;
  return groups.map((group) =>
    options.kind === 'members' ? statements.members(group, { withGroup }) : statements.changes(group),
  );
}

function headerOf(select: statements.Select | undefined, { kind, format, isGroupsOwn }: ExportOptions): string {
  if (format !== 'csv') return '';
  // Without a group there is none to ask.
  const nobody = { id: '', name: '', customId: null, isVisible: true, epoch: 0, epochs: [] };
  const { columns } =
    select ??
    (kind === 'members' ? statements.members(nobody, { withGroup: isGroupsOwn !== true }) : statements.changes(nobody));
  return `${columns.map(({ name }) => name).join(',')}\n`;
}

/** What passes through; cut off where nothing of it is taken for long. */
function createOutput(): { out: Transform; stopWatching: () => void } {
  let seen = 0;
  let taken = 0;
  const out = new Transform({
    highWaterMark: BUFFER,
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      done(null, chunk);
    },
  });
  const timer = setInterval(() => {
    const now = seen - out.readableLength;
    if (out.readableLength > 0 && now === taken) out.destroy(new Error('the receiver of an export takes nothing'));
    taken = now;
  }, STALLED_MS);
  timer.unref();
  return { out, stopWatching: () => clearInterval(timer) };
}
