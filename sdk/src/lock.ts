// One at a time: across tabs where the browser has Web Locks, within the page elsewhere.

const tails: Record<string, Promise<unknown>> = {};

export function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const run = async (): Promise<T> => {
    // Only secure contexts have Web Locks. A browser that has them may still refuse (an opaque origin, storage switched off).
    let isHeld = false;
    const held = (): Promise<T> => {
      isHeld = true;
      return work();
    };
    try {
      return await (globalThis.navigator.locks.request(name, held) as Promise<T>); // what work resolves to
    } catch (error) {
      if (isHeld) throw error;
      return work();
    }
  };
  return (tails[name] = (tails[name] ?? Promise.resolve()).then(run, run)) as Promise<T>; // what run resolves to
}
