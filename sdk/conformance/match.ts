// Whether what came is what a case expects. Expectations are partial: an object names the fields that count, null stands for
// "not there", a list has to match item by item. A text that begins with `$` or `?` is a name: it takes the first value that
// it meets, and stands for that one from then on; no two names with `$` stand for the same.

export type Names = Map<string, unknown>;

/** What is wrong, by place; empty where all is well. */
export function mismatches(expected: unknown, actual: unknown, names: Names, at: string): string[] {
  if (expected === null)
    return actual === null || actual === undefined ? [] : [`${at}: ${show(actual)}, expected none`];
  if (typeof expected === 'string' && /^[$?]/.test(expected)) {
    if (actual === null || actual === undefined || actual === '') return [`${at}: nothing, expected ${expected}`];
    const isOther = (name: string): boolean => name.startsWith('$') && name !== expected;
    const other = [...names].find(([name, value]) => isOther(name) && value === actual)?.[0];
    if (expected.startsWith('$') && other !== undefined)
      return [`${at}: ${show(actual)}, which is ${other}, expected ${expected}`];
    if (!names.has(expected)) names.set(expected, actual);
    const known = names.get(expected);
    return actual === known ? [] : [`${at}: ${show(actual)}, expected ${expected}, which is ${show(known)}`];
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [`${at}: ${show(actual)}, expected a list`];
    const items = actual as unknown[];
    if (items.length !== expected.length)
      return [`${at}: ${items.length} items, expected ${expected.length}: ${show(items)}`];
    return expected.flatMap((item, i) => mismatches(item, items[i], names, `${at}[${i}]`));
  }
  if (typeof expected === 'object') {
    if (typeof actual !== 'object' || actual === null) return [`${at}: ${show(actual)}, expected ${show(expected)}`];
    const fields = actual as Record<string, unknown>; // each field is looked at
    return Object.entries(expected).flatMap(([name, value]) => mismatches(value, fields[name], names, `${at}.${name}`));
  }
  return expected === actual ? [] : [`${at}: ${show(actual)}, expected ${show(expected)}`];
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
