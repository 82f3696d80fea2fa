// The pauses of a worker's loops: they all end when it stops, and one may be cut short by a bell.

export interface Bell {
  ring(): void;
  readonly isRung: boolean;
  /** Called when it rings; not when it has rung before. */
  onRing: (() => void) | undefined;
}

export function bell(): Bell {
  let isRung = false;
  const own: Bell = {
    ring() {
      isRung = true;
      own.onRing?.();
    },
    get isRung() {
      return isRung;
    },
    onRing: undefined,
  };
  return own;
}

export interface Rests {
  /** Resolves after so long, when the bell rings or has rung, or with the end of all. Keeps no process alive. */
  rest(ms: number, until?: Bell): Promise<void>;
  end(): void;
}

export function rests(): Rests {
  const running = new Set<() => void>();
  let isEnded = false;
  return {
    rest(ms, until) {
      if (isEnded || until?.isRung) return Promise.resolve();
      return new Promise((resolve) => {
        const wakeUp = (): void => {
          clearTimeout(timer);
          running.delete(wakeUp);
          resolve();
        };
        const timer = setTimeout(wakeUp, ms).unref();
        running.add(wakeUp);
        if (until) until.onRing = wakeUp;
      });
    },
    end() {
      isEnded = true;
      for (const wakeUp of running) wakeUp();
    },
  };
}
