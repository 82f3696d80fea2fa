// An export: everything of one kind as a file. What there is, its columns, and how it is asked for.

import { invalid } from '../errors.ts';
import type { FileFormat } from '../files/body.ts';

export const EXPORTS = ['profiles', 'activities', 'members', 'changes'] as const;
export type ExportKind = (typeof EXPORTS)[number];

export const TYPES: Record<FileFormat, string> = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
};

/** The format that `?format=` or Accept asks for; undefined where neither names one of ours. */
export function askedFormat(format: string | undefined, accept: string | undefined): FileFormat | undefined {
  if (format !== undefined) {
    if (format === 'csv' || format === 'ndjson') return format;
    throw invalid('format', 'This must be one of: csv, ndjson.');
  }
  const types = (accept ?? '').toLowerCase();
  if (/application\/json\b/.test(types)) return undefined;
  if (types.includes('ndjson')) return 'ndjson';
  return types.includes('text/csv') ? 'csv' : undefined;
}

/** CSV unless the caller asks for the other one. */
export function readFormat(format: string | undefined, accept: string | undefined): FileFormat {
  const asked = askedFormat(format, accept);
  if (asked) return asked;
  if (accept === undefined || /\*\/\*|text\/\*/.test(accept)) return 'csv';
  throw invalid('format', 'Accept text/csv or application/x-ndjson, or say csv or ndjson here.');
}
