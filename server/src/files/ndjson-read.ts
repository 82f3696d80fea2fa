// NDJSON: a JSON text a line. Lines are found here; what they hold is for the caller to judge.

import { isLastLine } from './last-line.ts';
import { malformed } from './text.ts';

export interface Line {
  /** From 1. */
  line: number;
  text: string;
}

/** Files of old programs end their lines with CR alone; within JSON none can stand but as a blank. */
const split = (text: string): string[] => text.split(text.includes('\r') ? /\r\n|\n|\r/ : '\n');

/** The lines that are not blank, as many at a time as a piece of text holds. */
export async function* readLines(text: AsyncGenerator<string>, maxLength: number): AsyncGenerator<Line[]> {
  let rest = '';
  let number = 0;
  for await (const piece of text) {
    const read = rest + piece;
    // Half of CRLF, perhaps.
    const held = read.endsWith('\r') ? '\r' : '';
    const lines = split(held === '' ? read : read.slice(0, -1));
    rest = `${lines.pop() ?? ''}${held}`;
    const batch: Line[] = [];
    for (const line of lines) {
      number++;
      if (line.length > maxLength) throw malformed(number, `longer than ${maxLength} characters.`);
      if (line.trim() !== '' && !isLastLine(line)) batch.push({ line: number, text: line });
    }
    if (rest.length > maxLength) throw malformed(number + 1, `longer than ${maxLength} characters.`);
    if (batch.length > 0) yield batch;
  }
  rest = rest.replace(/\r$/, '');
  if (rest.trim() !== '' && !isLastLine(rest)) yield [{ line: number + 1, text: rest }];
}
