// What JSON can say and nothing of ours should hold: text that the database cannot store, and names that would reach into the
// prototypes of objects. Found by path, so that it is refused like any other problem of a field.

import { createProblems, type FieldErrors } from '../problems.ts';

export const UNSTORABLE = 'NUL characters and lone surrogates are not allowed.';
const UNSAFE_NAME = 'This name is not allowed.';

/** Whether a JSON text may hold any of it: nearly none does, and then no value need be looked at. */
export const mayBeUnsound = (text: string): boolean =>
  (text.includes('\\u') && /\\u00[0-7]|\\ud[89a-f]/i.test(text)) ||
  text.includes('"__proto__"') ||
  text.includes('"constructor"');

/** The paths of what is unsound, `a.b[0]`; of a name that cannot be stored the path of what holds it. */
export function findUnsound(value: unknown): FieldErrors | undefined {
  const problems = createProblems();
  const visit = (part: unknown, path: string): void => {
    const unstorable = (): void => {
      const field = path || 'non_field_errors';
      if (!problems.has(field)) problems.add(field, UNSTORABLE);
    };
    if (typeof part === 'string' && isUnstorable(part)) unstorable();
    if (typeof part !== 'object' || part === null) return;
    for (const [name, item] of Object.entries(part)) {
      if (problems.isFull()) return;
      const inner = Array.isArray(part) ? `${path}[${name}]` : path ? `${path}.${name}` : name;
      if (isUnstorable(name)) unstorable();
      else if (isUnsafe(name, item)) problems.add(inner, UNSAFE_NAME);
      else visit(item, inner);
    }
  };
  visit(value, '');
  return problems.isEmpty() ? undefined : problems.fields();
}

const isUnstorable = (text: string): boolean => text.includes('\0') || !text.isWellFormed();

const isUnsafe = (name: string, item: unknown): boolean =>
  name === '__proto__' ||
  (name === 'constructor' && typeof item === 'object' && item !== null && Object.hasOwn(item, 'prototype'));
