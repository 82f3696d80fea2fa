// Short messages about what was just done, with a way to undo it. They wait while one points at them.

import { useEffect, useState, useSyncExternalStore } from 'react';
import { IconX } from '@tabler/icons-react';
import { messageOf } from '../api.ts';
import { Button } from './button.tsx';

interface Toast {
  id: number;
  text: string;
  undo: (() => Promise<unknown>) | undefined;
}

const SHOWN_MS = 7_000;
let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(text: string, undo?: () => Promise<unknown>): void {
  set([...toasts.slice(-2), { id: ++lastId, text, undo }]);
}

const dismiss = (id: number): void => set(toasts.filter((one) => one.id !== id));

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <ToastCard key={one.id} {...one} />
      ))}
    </div>
  );
}

function ToastCard({ id, text, undo }: Toast) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const timer = setTimeout(() => dismiss(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id, held]);
  const revert = (): void => {
    dismiss(id);
    undo?.().catch((error: unknown) => toast(`That could not be undone: ${messageOf(error)}`));
  };
  return (
    <div
      className="toast"
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span className="grow name">{text}</span>
      {undo && (
        <Button small onClick={revert}>
          Undo
        </Button>
      )}
      <Button small look="quiet" iconOnly icon={<IconX size={15} aria-hidden />} onClick={() => dismiss(id)}>
        Dismiss
      </Button>
    </div>
  );
}
