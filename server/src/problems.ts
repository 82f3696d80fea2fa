// What is wrong with a request, collected up to a limit: an answer that refuses stays short, and finding more is work that
// helps no one. Collectors are asked whether they are full; whoever walks over something large stops then.

/** Field → what is wrong with it; between fields under `non_field_errors`. */
export type FieldErrors = Record<string, string[]>;

export const MAX_PROBLEMS = 100;
/** Of the answer to a request that was refused, as JSON. */
export const MAX_REFUSAL_BYTES = 65_536;
export const MORE_PROBLEMS = 'There are more problems than these.';

const BETWEEN_FIELDS = 'non_field_errors';
/** For the sentence that there are more, with what stands around it. */
const RESERVED = 200;
/** A name that was made up may be as long as a body; of the paths of ours none is. */
const MAX_FIELD = 500;
const MAX_MESSAGE = 5000;

export interface Problems {
  /** Whether there were more than it takes: nothing that is added now is kept. */
  isFull: () => boolean;
  isEmpty: () => boolean;
  add: (field: string, message: string) => void;
  has: (field: string) => boolean;
  /** In the order in which the fields were first named. */
  fields(): FieldErrors;
}

export function createProblems(most = MAX_PROBLEMS): Problems {
  let found: Map<string, string[]> | undefined; // made when it is needed: most collectors find nothing
  let count = 0;
  let bytes = RESERVED;
  let isFull = false;
  let hasMore = false;
  return {
    // No getters: making those takes longer than a request may.
    isFull: () => isFull,
    isEmpty: () => count === 0 && !hasMore,
    add: (name, text) => {
      if (isFull) return;
      if (text === MORE_PROBLEMS) {
        hasMore = true; // said by an earlier collector
        return;
      }
      const [field, message] = [cut(name, MAX_FIELD), cut(text, MAX_MESSAGE)];
      found ??= new Map();
      const known = found.get(field);
      if (known?.includes(message) === true) return;
      const size = jsonBytes(message) + 1 + (known ? 0 : jsonBytes(field) + 4);
      if (count >= most || bytes + size > MAX_REFUSAL_BYTES) {
        isFull = true;
        return;
      }
      count++;
      bytes += size;
      if (known) known.push(message);
      else found.set(field, [message]);
    },
    has: (field) => found?.has(field) === true,
    fields() {
      // Not by assignment: a field may be called `__proto__`.
      const fields: FieldErrors = Object.fromEntries(found ?? []);
      if (hasMore || isFull) fields[BETWEEN_FIELDS] = [...(found?.get(BETWEEN_FIELDS) ?? []), MORE_PROBLEMS];
      return fields;
    },
  };
}

/** The same, as far as an answer may say it. */
export function capped(errors: FieldErrors): FieldErrors {
  const problems = createProblems();
  for (const [field, messages] of Object.entries(errors)) {
    for (const message of messages) problems.add(field, message);
    if (problems.isFull()) break;
  }
  return problems.fields();
}

const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text;

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text));

/**
 * What became of the items of a batch that were refused, short enough for an answer: where not everything fits, the first
 * problem of each item, and where that does not fit either, from some item on only which one it was.
 */
export function fitRefused<T extends { errors?: FieldErrors }>(items: T[], bare: (item: T) => T): T[] {
  if (sizeOf(items) <= MAX_REFUSAL_BYTES) return items;
  const first = items.map((item) => ({ ...item, errors: firstOf(item.errors ?? {}) }));
  const bares = items.map(bare);
  let left = MAX_REFUSAL_BYTES - RESERVED - sizeOf(bares);
  return first.map((item, index) => {
    const shortest = bares[index] ?? item;
    left -= sizeOf([item]) - sizeOf([shortest]);
    if (left >= 0) return item;
    left = 0; // and no later one is told: what fits would be a matter of luck
    return shortest;
  });
}

const sizeOf = (items: readonly unknown[]): number =>
  items.reduce<number>((sum, item) => sum + Buffer.byteLength(JSON.stringify(item)) + 1, 0);

function firstOf(errors: FieldErrors): FieldErrors {
  const [first] = Object.entries(errors);
  return first ? Object.fromEntries([[first[0], first[1].slice(0, 1)]]) : {};
}
