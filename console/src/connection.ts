// Whether the server answers. Every request reports; while it is away one timer asks whether it is back.

import { useSyncExternalStore } from 'react';

const RETRY_MS = 2_000;

let away = false;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
const returned = new Set<() => void>();

function set(value: boolean): void {
  if (away === value) return;
  away = value;
  for (const listener of listeners) listener();
  if (!away) for (const listener of returned) listener();
}

function watch(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    fetch('/readyz', { cache: 'no-store' }).then(
      (response) => (response.ok ? set(false) : watch()),
      () => watch(),
    );
  }, RETRY_MS);
}

export const connection = {
  report(reached: boolean): void {
    if (reached) {
      clearTimeout(timer);
      set(false);
    } else {
      set(true);
      watch();
    }
  },
  /** Called each time the server comes back. */
  onReturn(listener: () => void): () => void {
    returned.add(listener);
    return () => void returned.delete(listener);
  },
};

export function useAway(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => away,
  );
}
