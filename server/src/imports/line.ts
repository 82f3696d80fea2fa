// Work that is begun in order, so much of it at once; but what has an id in common with work before it waits for that. One
// that fails lets nothing begin after it.

export interface Line {
  /**
   * Resolves once it has begun; rejects with what failed before. The work is told how to wait for all that began before it,
   * where some of that is not over yet; that rejects where one of them failed.
   */
  add(ids: ReadonlySet<unknown>, work: (last?: () => Promise<void>) => Promise<void>): Promise<void>;
  /** Resolves once all that began is over; rejects with what failed first. */
  end(): Promise<void>;
}

const haveCommon = (some: ReadonlySet<unknown>, others: ReadonlySet<unknown>): boolean => {
  for (const id of some) if (others.has(id)) return true;
  return false;
};

export function createLine(atOnce: number): Line {
  const running = new Map<Promise<void>, ReadonlySet<unknown>>();
  let failure: { error: unknown } | undefined;
  const throwFailure = (): void => {
    if (failure) throw failure.error;
  };
  const isFree = (ids: ReadonlySet<unknown>): boolean =>
    running.size < atOnce && ![...running.values()].some((others) => haveCommon(ids, others));
  return {
    async add(ids, work) {
      while (running.size > 0 && !isFree(ids)) await Promise.race(running.keys());
      throwFailure();
      const earlier = [...running.keys()];
      const last = async (): Promise<void> => {
        await Promise.all(earlier);
        throwFailure();
      };
      const done = work(earlier.length > 0 ? last : undefined)
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => running.delete(done));
      running.set(done, ids);
    },
    async end() {
      await Promise.all(running.keys());
      throwFailure();
    },
  };
}
