// An import: a file that is read in. What it is, how it is shown, its limits.

import { Type, type Static } from 'typebox';
import { nullable, Timestamp } from '../http/schemas.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { FileFormat } from '../files/body.ts';
import type { IdColumn } from '../files/columns.ts';

export const KINDS = ['profiles', 'activities', 'members'] as const;
export type ImportKind = (typeof KINDS)[number];

export const STATES = ['receiving', 'queued', 'running', 'done', 'failed'] as const;
export type ImportState = (typeof STATES)[number];

/** A piece is what one transaction brings in. */
export const PIECE_ROWS = 1000;
export const PIECE_BYTES = 4 * 1024 * 1024;
export const MAX_ROW = 1024 * 1024;
export const MAX_NAME = 200;
/** Longer reasons and rows are cut: they are there to find the line by. */
export const MAX_REASON = 1000;
export const MAX_REJECTED_ROW = 16_384;
/** Of one file; further ones are counted. */
export const MAX_REJECTIONS = 1_000_000;
export const REJECTIONS_KEPT = 30 * 86_400_000_000;
/** Told with the import itself, so that a short list needs no file. */
export const FIRST_REJECTED = 20;
const MAX_SHOWN_ROW = 500;

/** What was settled when the file was received. */
export interface ImportOptions {
  /** Of CSV: the field of each column, null for one that is left out. */
  columns?: (string | null)[];
  /** Of a list of ids: which column they are in; of NDJSON only the kind. */
  ids?: IdColumn;
  /** Of members: the group of all rows. */
  groupId?: string;
}

export interface Import {
  id: string;
  application_id: number;
  kind: ImportKind;
  name: string;
  format: FileFormat;
  is_dry_run: boolean;
  options: ImportOptions;
  state: ImportState;
  rows: number;
  accepted: number;
  duplicates: number;
  rejected: number;
  created_at: Instant;
  created_by: string;
  updated_at: Instant;
  finished_at: Instant | null;
  last_error: string | null;
}

export const ImportResource = Type.Object(
  {
    id: Type.String(),
    url: Type.String(),
    of: Type.Unsafe<ImportKind>({ type: 'string', enum: [...KINDS] }),
    state: Type.Unsafe<ImportState>({
      type: 'string',
      enum: [...STATES],
      description: '`receiving` while the file arrives, `queued`, `running`, then `done` or `failed`.',
    }),
    rows: Type.Integer({ description: 'Of the file, without its header and blank lines.' }),
    accepted: Type.Integer({ description: 'Rows that made or changed something.' }),
    duplicates: Type.Integer({ description: 'Rows that are there already as they stand here.' }),
    rejected: Type.Integer({ description: 'Rows that cannot be taken: `rejected_url` says why.' }),
    dry_run: Type.Boolean({ description: 'Judged only: nothing is stored.' }),
    name: Type.String({ description: 'Of the file, as the sender calls it.' }),
    columns: Type.Unsafe<Record<string, string> | null>({
      type: ['object', 'null'],
      additionalProperties: { type: 'string' },
      description: 'Of CSV: the field that each column was taken for, by its number from 1.',
    }),
    created_at: Timestamp('When it was sent.'),
    created_by: Type.String(),
    finished_at: nullable(),
    last_error: nullable({ description: 'Why it failed, or why it is being tried again.' }),
    rejected_url: Type.String(),
    first_rejected: Type.Optional(
      Type.Array(Type.Object({ line: Type.Integer(), reason: Type.String(), row: Type.String() }), {
        description: `Of one import: the first ${FIRST_REJECTED} rejected rows by line. \`rejected_url\` has them all.`,
      }),
    ),
  },
  { $id: 'Import' },
);
export type ImportResource = Static<typeof ImportResource>;

export interface Rejection {
  line: number;
  reason: string;
  row: string;
}

export function presentImport(
  row: Import,
  clientId: string,
  origin: string,
  rejections?: readonly Rejection[],
): ImportResource {
  const url = `${origin}/api/v1/applications/${clientId}/imports/${row.id}/`;
  const { columns, ids } = row.options;
  const taken = columns
    ? Object.fromEntries(columns.flatMap((field, index) => (field === null ? [] : [[String(index + 1), field]])))
    : row.format === 'csv' && ids
      ? { [String(ids.index + 1)]: ids.kind }
      : null;
  return {
    id: row.id,
    url,
    of: row.kind,
    state: row.state,
    rows: row.rows,
    accepted: row.accepted,
    duplicates: row.duplicates,
    rejected: row.rejected,
    dry_run: row.is_dry_run,
    name: row.name,
    columns: taken,
    created_at: formatInstant(row.created_at),
    created_by: row.created_by,
    finished_at: row.finished_at === null ? null : formatInstant(row.finished_at),
    last_error: row.last_error,
    rejected_url: `${url}rejected/`,
    ...(rejections && {
      first_rejected: rejections.map(({ line, reason, row: text }) => ({
        line,
        reason,
        row: text.slice(0, MAX_SHOWN_ROW),
      })),
    }),
  };
}
