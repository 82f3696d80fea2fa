import { describe, expect, it } from 'vitest';
import { readable } from './log.ts';

const time = new Date(2026, 1, 3, 4, 5, 6).getTime();
const line = (fields: Record<string, unknown>): string => JSON.stringify({ level: 30, time, msg: 'ready', ...fields });

describe('a line of the log on a terminal', () => {
  it('has the time of day, the message and what belongs to it', () => {
    expect(readable(line({}))).toBe('04:05:06 ready\n');
    expect(readable(line({ level: 40, in: 'data' }))).toBe('04:05:06 warning: ready {"in":"data"}\n');
  });

  it('shows an error with its stack', () => {
    expect(readable(line({ level: 50, err: { stack: 'Error: no\n    at here' } }))).toBe(
      '04:05:06 error: ready\nError: no\n    at here\n',
    );
  });

  it('obeys nothing that came from outside', () => {
    expect(readable(line({ msg: 'bad \u001b[2J path' }))).toBe('04:05:06 bad  path\n');
    expect(readable(line({ url: '/\u001b[31m' }))).not.toContain('\u001b');
  });
});
