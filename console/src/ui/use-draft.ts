// What is being written, kept by this tab, so that a reload or a session that ended loses nothing.

import { useCallback, useEffect, useRef, useState } from 'react';

type Set<T> = (change: (before: T) => T) => void;

function read<T>(key: string): T | undefined {
  try {
    const text = sessionStorage.getItem(key);
    return text === null ? undefined : (JSON.parse(text) as T); // written below, by the same build or one before it
  } catch {
    return undefined;
  }
}

export function useDraft<T>(name: string, initial: () => T): [T, Set<T>, () => void] {
  const key = `grandstand.draft ${name}`;
  const [value, setValue] = useState<T>(() => read<T>(key) ?? initial());
  const dirty = useRef(false);
  const set = useCallback<Set<T>>((change) => {
    dirty.current = true;
    setValue(change);
  }, []);
  useEffect(() => {
    if (!dirty.current) return;
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // Storage is full or off: it lives as long as the page.
    }
  }, [key, value]);
  const forget = useCallback(() => {
    dirty.current = false;
    try {
      sessionStorage.removeItem(key);
    } catch {
      // Nothing was kept.
    }
  }, [key]);
  return [value, set, forget];
}
