// What may be kept of a request or a resource: no secrets, and no more than a row should hold.

const SECRET = /secret|password|token|write_?key|authorization|cookie|passphrase|device_key|signature/i;
export const REDACTED = '[not kept]';
const MAX_TEXT = 500;
const MAX_ITEMS = 20;
const MAX_DEPTH = 8;
const MAX_BYTES = 16_384;

/** A copy without what a secret may stand in, cut to a size that a row should hold. */
export function redact(value: unknown): unknown {
  const copy = visit(value, 0);
  const text = JSON.stringify(copy) as string | undefined; // undefined: a function
  return text !== undefined && text.length > MAX_BYTES ? { too_large: text.length } : copy;
}

function visit(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) {
    const kept = value.slice(0, MAX_ITEMS).map((item) => visit(item, depth + 1));
    return value.length > MAX_ITEMS ? [...kept, `… ${value.length - MAX_ITEMS} more`] : kept;
  }
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 100)
      .map(([key, part]) => [key, isSecret(key, part) ? REDACTED : visit(part, depth + 1)]),
  );
}

/** A truth value or a number under such a name, like `has_token`, is no secret. */
const isSecret = (key: string, value: unknown): boolean =>
  SECRET.test(key) && value !== null && typeof value !== 'boolean' && typeof value !== 'number';
