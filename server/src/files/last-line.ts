// The line that tells a file that is whole, where an export was asked for one. Readers pass over it.

import type { FileFormat } from './body.ts';

const MARK = '#complete';

export const lastLine = (format: FileFormat, rows: number): string =>
  format === 'csv' ? `${MARK},${rows}\n` : `${JSON.stringify({ complete: true, rows })}\n`;

export const isLastRow = (cells: readonly string[]): boolean => cells[0] === MARK;

export const isLastLine = (text: string): boolean => /^\s*\{"complete":true,"rows":\d+\}\s*$/.test(text);
