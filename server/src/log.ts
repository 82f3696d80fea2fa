// The log: JSON lines on stderr, so that stdout holds only what a person or a script reads; on a terminal, lines that a
// person reads. Secrets never reach it.

import { stripVTControlCharacters } from 'node:util';
import { pino, type Logger } from 'pino';

const REDACTED = [
  '*.authorization',
  '*.headers.authorization',
  '*.cookie',
  '*.headers.cookie',
  'password',
  '*.password',
  '*.token',
];

export function createLog(level: string): Logger {
  return pino(
    { level, base: null, redact: REDACTED },
    process.stderr.isTTY
      ? { write: (line: string) => void process.stderr.write(readable(line)) }
      : pino.destination({ dest: 2, sync: true }), // what is said last must not be lost
  );
}

/** `08:20:17 making a new database {"in":"…"}`; an error with its stack. */
export function readable(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>; // pino wrote it
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const word = Number(level) >= 50 ? 'error: ' : Number(level) >= 40 ? 'warning: ' : '';
  const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : '';
  const stack = (err as { stack?: string } | undefined)?.stack; // as pino writes errors
  // A terminal obeys what a line tells it: what came from outside is shown, not obeyed.
  const text = stripVTControlCharacters(`${clock} ${word}${String(msg ?? '')}${more}`);
  return `${text}\n${stack === undefined ? '' : `${stripVTControlCharacters(stack)}\n`}`;
}
