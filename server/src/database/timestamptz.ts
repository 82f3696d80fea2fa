// PostgreSQL writes timestamptz as text, `2025-04-28 12:16:49.670053+00`; we keep whole microseconds since 1970.

/** Microseconds since 1970 of PostgreSQL's text form (timezone UTC); ±Infinity for its infinities. */
export function parseTimestamptz(text: string): number {
  if (text === 'infinity') return Infinity;
  if (text === '-infinity') return -Infinity;
  const dot = text.indexOf('.');
  const zone = text.indexOf('+', 10);
  const seconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, dot === -1 ? zone : dot)}Z`) * 1000;
  if (dot === -1) return seconds;
  return seconds + Number(text.slice(dot + 1, zone).padEnd(6, '0'));
}
