// A button that opens a few more.

import { useId, useRef, type ReactNode } from 'react';
import { IconDots } from '@tabler/icons-react';

export function Menu({ label, trigger, children }: { label: string; trigger?: ReactNode; children: ReactNode }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);

  const place = (): void => {
    const [anchor, box] = [button.current?.getBoundingClientRect(), menu.current];
    if (!anchor || !box) return;
    const { offsetWidth: width, offsetHeight: height } = box;
    const below = anchor.bottom + 4 + height <= window.innerHeight;
    box.style.left = `${Math.max(8, Math.min(anchor.right - width, window.innerWidth - width - 8))}px`;
    box.style.top = `${below ? anchor.bottom + 4 : Math.max(8, anchor.top - height - 4)}px`;
  };

  const step = (by: number): void => {
    const items = [...(menu.current?.querySelectorAll<HTMLElement>('button, a') ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement); // -1 where nothing of it is focused
    items[(at + by + items.length) % items.length]?.focus();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={trigger ? 'button' : 'button quiet icon'}
        popoverTarget={id}
        aria-label={trigger ? undefined : label}
        title={trigger ? undefined : label}
      >
        {trigger ?? <IconDots size={18} aria-hidden />}
      </button>
      <div
        ref={menu}
        id={id}
        popover="auto"
        className="menu"
        onToggle={(event) => {
          if (event.newState !== 'open') return;
          place();
          step(1);
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault();
            step(event.key === 'ArrowDown' ? 1 : -1);
          }
        }}
        onClick={(event) => {
          if ((event.target as HTMLElement).closest('button, a')) menu.current?.hidePopover();
        }}
      >
        {children}
      </div>
    </>
  );
}
