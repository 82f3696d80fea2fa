// Dependency keys: what a change touches and what a leaf reads, in one language. The queue's `changed` holds them, and
// the index "which groups read what changed" is keyed by them.

export const dependency = {
  /** 0: any type, written `activity:*`; a change names both the type's key and this one. */
  activity: (typeId: number): string => `activity:${typeId === 0 ? '*' : typeId}`,
  attribute: (key: string): string => `attribute:${key}`,
  profile: (field: 'nickname' | 'custom_id' | 'created_at'): string => `profile:${field}`,
  group: (groupId: string): string => `group:${groupId}`,
} as const;

/** The keys that an activity of this type touches. */
export function activityDependencies(typeId: number): string[] {
  return [dependency.activity(typeId), dependency.activity(0)];
}

/** Which groups read a dependency key; `group:` edges make the order in which nested groups are evaluated. */
export interface ReadIndex {
  readersOf(changed: Iterable<string>): Set<string>;
}

export function indexReaders(groups: Iterable<{ groupId: string; depends: Iterable<string> }>): ReadIndex {
  const readers = new Map<string, string[]>();
  for (const { groupId, depends } of groups) {
    for (const key of depends) {
      const list = readers.get(key);
      if (list) list.push(groupId);
      else readers.set(key, [groupId]);
    }
  }
  return {
    readersOf(changed) {
      const found = new Set<string>();
      for (const key of changed) for (const groupId of readers.get(key) ?? []) found.add(groupId);
      return found;
    },
  };
}

/**
 * Groups ordered so that each stands after those that it reads. References out of the map are ignored. Members of a
 * cycle, which validation refuses, come in the order given.
 */
export function inReadingOrder(reads: ReadonlyMap<string, Iterable<string>>): string[] {
  const order: string[] = [];
  const seen = new Set<string>();
  // An explicit stack: chains of groups may be as long as there are groups.
  for (const start of reads.keys()) {
    if (seen.has(start)) continue;
    seen.add(start);
    const stack = [{ id: start, next: iterate(reads.get(start)) }];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const { value, done } = top.next.next();
      if (done) {
        order.push(top.id);
        stack.pop();
      } else if (reads.has(value) && !seen.has(value)) {
        seen.add(value);
        stack.push({ id: value, next: iterate(reads.get(value)) });
      }
    }
  }
  return order;
}

function iterate(ids: Iterable<string> | undefined): Iterator<string, undefined> {
  return (ids ?? [])[Symbol.iterator]() as Iterator<string, undefined>; // an Iterable of strings returns nothing at its end
}

/**
 * The way back to `groupId` if it read `references`: the ids of a cycle from it to itself, undefined where there is none.
 */
export function findCycle(
  groupId: string,
  references: Iterable<string>,
  reads: ReadonlyMap<string, Iterable<string>>,
): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue: string[] = [];
  for (const id of references) {
    if (id === groupId) return [groupId, groupId];
    if (cameFrom.has(id)) continue;
    cameFrom.set(id, groupId);
    queue.push(id);
  }
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const next of reads.get(id) ?? []) {
      if (next === groupId) {
        const path = [groupId];
        for (let at: string | undefined = id; at !== undefined && at !== groupId; at = cameFrom.get(at))
          path.unshift(at);
        return [groupId, ...path];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, id);
      queue.push(next);
    }
  }
  return undefined;
}
