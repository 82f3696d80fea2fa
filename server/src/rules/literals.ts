// Values as SQL literals. COPY takes no parameters, so the scans of the set side carry their values in their text;
// everything that a caller chose passes through one of these.

import pg from 'pg';
import { formatInstant, type Instant } from '../instant.ts';

export function sqlText(value: string): string {
  return `${pg.escapeLiteral(value)}::text`;
}

/** JSON.stringify of a finite double reads back as the same double. */
export function sqlNumber(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError('only finite numbers reach SQL');
  return `'${value}'::float8`;
}

export function sqlInteger(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError('only safe integers reach SQL');
  return String(value);
}

export function sqlInstant(instant: Instant): string {
  return `'${formatInstant(instant)}'::timestamptz`;
}

/** Stretches of time, each without its end; infinite where there is none. */
export function sqlMultirange(stretches: readonly (readonly [from: Instant, until: Instant])[]): string {
  const end = (at: Instant): string => (Number.isFinite(at) ? formatInstant(at) : '');
  return `'{${stretches.map(([from, until]) => `[${end(from)},${end(until)})`).join()}}'::tstzmultirange`;
}

export function sqlJson(value: string | number | boolean): string {
  return `${pg.escapeLiteral(JSON.stringify(value))}::jsonb`;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function sqlUuid(value: string): string {
  if (!UUID.test(value)) throw new RangeError('not a lower-case UUID');
  return `'${value}'::uuid`;
}

/** `column = x` or `column in (…)`. */
export function sqlIn(column: string, literals: readonly string[]): string {
  return literals.length === 1 ? `${column} = ${literals[0]}` : `${column} in (${literals.join(', ')})`;
}
