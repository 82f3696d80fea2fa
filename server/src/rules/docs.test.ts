import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randomBucket } from './operators/audiences.ts';
import { parseInstant, parseNumber, parseWindow } from './values.ts';

const page = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8');

/** The rows of the table under this heading, without their back quotes. */
function vectors(heading: string): string[][] {
  const [, after = ''] = page.split(`*Vectors: ${heading}`);
  const rows = after.slice(after.indexOf('|---')).split('\n').slice(1);
  const table = rows.slice(
    0,
    rows.findIndex((row) => !row.startsWith('|')),
  );
  return table.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

describe('docs/rules.md', () => {
  it.each([
    ['windows', parseWindow],
    ['numbers', parseNumber],
    ['instants', parseInstant],
  ] as const)('%s mean what the page says', (heading, parse) => {
    const rows = vectors(heading);
    expect(rows.length).toBeGreaterThan(8);
    for (const [text = '', means] of rows) {
      expect(parse(text), text).toBe(means === 'refused' ? undefined : Number(means));
    }
  });

  it('random buckets are those of the page', () => {
    const rows = vectors('random buckets');
    expect(rows).toHaveLength(4);
    for (const [salt = '', profile = '', bucket] of rows) expect(randomBucket(salt, profile)).toBe(Number(bucket));
  });
});
