// What the console's files and the documentation's have in common: what they are called on the wire, and which copy a reader takes.

/** Of the copies that builds lay beside a file, by the name of their encoding; the smallest first. */
export const COPIES = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
  png: 'image/png',
};

export const typeOf = (name: string): string | undefined => TYPES[name.split('.').pop() ?? ''];

/** Which of the copies a request takes; undefined: none. */
export function chooseEncoding<T extends string>(accepted: string | undefined, available: Iterable<T>): T | undefined {
  for (const encoding of available)
    if (new RegExp(`\\b${encoding}\\b(?!\\s*;\\s*q=0(\\.0*)?\\s*(,|$))`).test(accepted ?? '')) return encoding;
  return undefined;
}
