import { describe, expect, it } from 'vitest';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { anniversaryIn, dayNamed, formatDay, isZoneName, zoneOf } from './zone.ts';

const instant = (text: string): Instant => parseInstant(text) ?? NaN;
const day = (text: string): number => dayNamed(text) ?? NaN;
const startIn = (zone: string, date: string): string => formatInstant(zoneOf(zone).startOf(day(date)));

describe('a day in a time zone', () => {
  it.each([
    ['UTC', '2025-03-30', '2025-03-30T00:00:00.000000Z'],
    ['Europe/Berlin', '2025-03-30', '2025-03-29T23:00:00.000000Z'], // 23 hours long
    ['Europe/Berlin', '2025-03-31', '2025-03-30T22:00:00.000000Z'],
    ['Europe/Berlin', '2025-10-27', '2025-10-26T23:00:00.000000Z'], // after one of 25
    ['America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00:00.000000Z'], // there was no midnight
    ['America/Sao_Paulo', '2018-02-18', '2018-02-18T03:00:00.000000Z'], // at midnight the clock went back to 23:00
    ['America/St_Johns', '2008-11-02', '2008-11-02T02:30:00.000000Z'], // and here a minute after it
    ['Pacific/Apia', '2011-12-31', '2011-12-30T10:00:00.000000Z'],
    ['Pacific/Apia', '2011-12-30', '2011-12-30T10:00:00.000000Z'], // left out: empty
    ['Asia/Kathmandu', '2025-01-01', '2024-12-31T18:15:00.000000Z'],
    ['Pacific/Kiritimati', '2025-01-01', '2024-12-31T10:00:00.000000Z'],
  ])('of %s: %s begins at %s', (zone, date, start) => {
    expect(startIn(zone, date)).toBe(start);
  });

  it.each(['UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'America/St_Johns', 'Pacific/Apia', 'Asia/Beirut'])(
    'of %s follows the one before without a gap, and holds every instant from its start on',
    (name) => {
      const zone = zoneOf(name);
      for (const [from, to] of [
        ['1905-01-01', '1905-02-01'],
        ['2008-10-25', '2008-11-10'],
        ['2011-12-25', '2012-01-05'],
        ['2018-02-10', '2018-11-10'],
      ]) {
        for (let at = day(from ?? ''); at < day(to ?? ''); at++) {
          const [start, end] = [zone.startOf(at), zone.startOf(at + 1)];
          expect(end, formatDay(at)).toBeGreaterThanOrEqual(start);
          if (end > start)
            expect([zone.dayOf(start), zone.dayOf(end - 1)].map(formatDay)).toEqual(Array(2).fill(formatDay(at)));
          expect(zone.dayOf(start - 1)).toBeLessThan(at);
        }
      }
    },
  );

  it('is found for instants beside the microsecond at which it begins', () => {
    const berlin = zoneOf('Europe/Berlin');
    expect(formatDay(berlin.dayOf(instant('2025-06-14T21:59:59.999999Z')))).toBe('2025-06-14');
    expect(formatDay(berlin.dayOf(instant('2025-06-14T22:00:00Z')))).toBe('2025-06-15');
  });
});

describe('names of time zones', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires'])('%s is one', (name) => {
    expect(isZoneName(name)).toBe(true);
  });
  it.each(['', 'Berlin', '+02:00', 'Europe/Berlin; drop', 'Mars/Base'])('%s is none', (name) => {
    expect(isZoneName(name)).toBe(false);
  });
});

it('the anniversary of a leap day is the 1st of March in other years', () => {
  expect([2023, 2024, 1900, 2000].map((year) => formatDay(anniversaryIn(year, day('2000-02-29'))))).toEqual([
    '2023-03-01',
    '2024-02-29',
    '1900-03-01',
    '2000-02-29',
  ]);
});
