// What a device keeps, for tests that need no server.

import type { ItemStorage } from '../storage.ts';

/** As localStorage or AsyncStorage: what a device keeps between visits. */
export function deviceStorage(isAsync = false): ItemStorage & { items: Map<string, string> } {
  const items = new Map<string, string>();
  const answer = <T>(value: T): T | Promise<T> => (isAsync ? Promise.resolve(value) : value);
  return {
    items,
    getItem: (key) => answer(items.get(key) ?? null),
    setItem: (key, value) => answer(void items.set(key, value)),
    removeItem: (key) => answer(void items.delete(key)),
  };
}
