// Reading objects that strangers sent.

/** Takes a problem: where it is, as sent, and what was wrong. */
export type Report = (path: string, message: string) => void;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field of the object itself: what JSON said, never what a prototype holds. */
export function own(record: Record<string, unknown>, field: string): unknown {
  return Object.hasOwn(record, field) ? record[field] : undefined;
}

const MAX_UNKNOWN_FIELDS = 20;

export function reportUnknownFields(
  record: Record<string, unknown>,
  allowed: readonly string[],
  path: string,
  report: Report,
): void {
  let unknown = 0;
  for (const field of Object.keys(record)) {
    if (allowed.includes(field)) continue;
    if (++unknown > MAX_UNKNOWN_FIELDS) return;
    report(`${path}.${shorten(field)}`, `Unknown field. Allowed: ${allowed.join(', ')}.`);
  }
}

/** A stranger's text, short and sound enough to stand in a message. */
export function shorten(text: string): string {
  const start = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return start.replace(/\0|\p{Surrogate}/gu, '\uFFFD');
}
