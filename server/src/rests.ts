// The pauses of a worker's loops: they all end when it stops, and one may be cut short by a wake signal.

export interface WakeSignal {
  wake(): void;
  readonly isSet: boolean;
  /** Called when it comes; not when it came before. */
  onWake: (() => void) | undefined;
}

export function wakeSignal(): WakeSignal {
  let isSet = false;
  const own: WakeSignal = {
    wake() {
      isSet = true;
      own.onWake?.();
    },
    get isSet() {
      return isSet;
    },
    onWake: undefined,
  };
  return own;
}

export interface Rests {
  /** Resolves after so long, when the signal comes or has come, or with the end of all. Keeps no process alive. */
  rest(ms: number, until?: WakeSignal): Promise<void>;
  end(): void;
}

export function rests(): Rests {
  const running = new Set<() => void>();
  let isEnded = false;
  return {
    rest(ms, until) {
      if (isEnded || until?.isSet) return Promise.resolve();
      return new Promise((resolve) => {
        const wakeUp = (): void => {
          clearTimeout(timer);
          running.delete(wakeUp);
          resolve();
        };
        const timer = setTimeout(wakeUp, ms).unref();
        running.add(wakeUp);
        if (until) until.onWake = wakeUp;
      });
    },
    end() {
      isEnded = true;
      for (const wakeUp of running) wakeUp();
    },
  };
}
