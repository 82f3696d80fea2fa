// Which kind of file a caller asks for: by `?format=` or by Accept.

import { invalid } from '../errors.ts';
import type { FileFormat } from './body.ts';

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
