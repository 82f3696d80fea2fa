import { useId, useLayoutEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { IconX } from '@tabler/icons-react';
import { messageOf } from '../api.ts';
import { Problem } from './bits.tsx';
import { Button } from './button.tsx';
import { TextField } from './field.tsx';

interface DialogProps {
  title: string;
  onClose: () => void;
  wide?: boolean;
  /** Makes it a form: Enter submits. */
  onSubmit?: () => void;
  /** What submitting does, on its button. */
  action?: string;
  busy?: boolean;
  /** It takes something away. */
  danger?: boolean;
  /** The way out, on its button. */
  cancel?: string;
  /** Other buttons at its foot. */
  foot?: ReactNode;
  /** Why it cannot go on. */
  problem?: string | undefined;
  /** What is written in it outlives it: closing loses nothing, so Escape need not be asked about. */
  keepsDraft?: boolean;
  children: ReactNode;
}

/** What the keyboard begins with: the field that asks for it, else the first one, else a button that takes nothing away. */
const FIRST = [
  '.dialog-body [data-autofocus]',
  '.dialog-body :is(input, select, textarea):enabled',
  '.dialog-foot button:not(.danger)',
];

/** Modal while it is rendered. Escape and the cross close it; what was focused before is focused again. */
export function Dialog({
  title,
  onClose,
  wide,
  onSubmit,
  action,
  busy = false,
  danger = false,
  cancel = 'Cancel',
  foot,
  problem,
  keepsDraft = false,
  children,
}: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [isWritten, setIsWritten] = useState(false);
  const [isAsking, setIsAsking] = useState(false);
  // In the phase of layout: the dialog is closed while it still stands in the page, or the browser gives the focus to nobody.
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (!dialog) return undefined;
    const before = document.activeElement;
    if (!dialog.open) dialog.showModal();
    // React has focused what has autoFocus before the dialog was open, in vain.
    for (const selector of FIRST) {
      const first = dialog.querySelector<HTMLElement>(selector);
      first?.focus();
      if (first) break;
    }
    return () => {
      dialog.close();
      focusAgain(before);
    };
  }, []);
  const leave = (): void => {
    if (isWritten && !keepsDraft && !isAsking) setIsAsking(true);
    else onClose();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    setIsAsking(false);
    onSubmit?.();
  };
  return (
    <dialog
      ref={ref}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return; // of a file field
        event.preventDefault();
        leave();
      }}
      // A browser lets a dialog hold up Escape once. After that it is closed, whatever this says.
      onClose={(event) => event.target === event.currentTarget && onClose()}
      onClick={(event) => event.stopPropagation()}
    >
      <form onSubmit={submit} onInput={() => setIsWritten(onSubmit !== undefined)} noValidate>
        <div className="dialog-head">
          <h2 id={id} className="name">
            {title}
          </h2>
          <Button look="quiet" small iconOnly icon={<IconX size={17} aria-hidden />} onClick={onClose}>
            Close
          </Button>
        </div>
        <div className="dialog-body stack">
          {children}
          <Problem>{problem}</Problem>
          {isAsking && (
            <p className="form-error" role="alert">
              What you wrote is not saved. Press Escape again to throw it away.
            </p>
          )}
        </div>
        {action !== undefined && (
          <div className="dialog-foot">
            <Button onClick={onClose}>{cancel}</Button>
            <Button look="primary" danger={danger} type="submit" busy={busy}>
              {action}
            </Button>
          </div>
        )}
        {foot && <div className="dialog-foot">{foot}</div>}
      </form>
    </dialog>
  );
}

/** Where one was before; where that is gone, what opened it, such as a menu's button, or the page. */
function focusAgain(before: Element | null): void {
  if (document.activeElement !== document.body) return;
  const menu = before?.closest('[popover]')?.previousElementSibling;
  for (const place of [before, menu, document.querySelector('main')]) {
    if (!(place instanceof HTMLElement) || !place.isConnected) continue;
    place.focus();
    if (document.activeElement === place) return;
  }
}

interface ConfirmProps {
  title: string;
  children: ReactNode;
  /** What happens, on the button. */
  action: string;
  /** What must be typed first, where it cannot be undone. */
  name?: string;
  /** What is done; the dialog stays, with the reason, if it fails. */
  run: () => Promise<unknown>;
  onClose: () => void;
}

export function Confirm({ title, children, action, name, run, onClose }: ConfirmProps) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const matches = name === undefined || typed.trim() === name.trim();
  const submit = async (): Promise<void> => {
    if (!matches) return setProblem('This is not the name. Type it exactly as it stands above.');
    setBusy(true);
    setProblem(undefined);
    try {
      await run();
      onClose();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      action={action}
      danger
      busy={busy}
      problem={problem}
      keepsDraft
      onClose={onClose}
      onSubmit={() => void submit()}
    >
      <div className="muted">{children}</div>
      {name !== undefined && (
        <TextField
          label={
            <>
              Type <bdi className="mono name">{name}</bdi> to confirm
            </>
          }
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          autoFocus
        />
      )}
    </Dialog>
  );
}
