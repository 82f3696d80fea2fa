// An export: everything of one kind as a file. What there is, its columns, and how it is asked for.

import { invalid } from '../errors.ts';
import { askedFormat } from '../files/asked-format.ts';
import type { FileFormat } from '../files/body.ts';

export { askedFormat, TYPES } from '../files/asked-format.ts';

export const EXPORTS = ['profiles', 'activities', 'members', 'changes'] as const;
export type ExportKind = (typeof EXPORTS)[number];

/** CSV unless the caller asks for the other one. */
export function readFormat(format: string | undefined, accept: string | undefined): FileFormat {
  const asked = askedFormat(format, accept);
  if (asked) return asked;
  if (accept === undefined || /\*\/\*|text\/\*/.test(accept)) return 'csv';
  throw invalid('format', 'Accept text/csv or application/x-ndjson, or say csv or ndjson here.');
}
