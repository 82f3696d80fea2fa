// One at a time: across tabs where the browser has Web Locks, within the page elsewhere.

const tails = new Map<string, Promise<unknown>>();

export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = tails.get(name);
  const run = (async () => {
    await before?.catch(() => {});
    // Only secure contexts have Web Locks. A browser that has them may still refuse (an opaque origin, storage switched off).
    const locks = globalThis.navigator?.locks;
    if (!locks) return work();
    let isHeld = false;
    const held = (): Promise<T> => {
      isHeld = true;
      return work();
    };
    return locks.request(name, held).catch((error: unknown) => {
      if (isHeld) throw error;
      return work();
    }) as Promise<T>; // what work resolves to
  })();
  tails.set(name, run);
  try {
    return await run;
  } finally {
    if (tails.get(name) === run) tails.delete(name);
  }
}
