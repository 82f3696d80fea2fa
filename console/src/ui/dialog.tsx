import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
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
  children: ReactNode;
}

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
  children,
}: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    onSubmit?.();
  };
  return (
    <dialog
      ref={ref}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.stopPropagation()}
    >
      <form onSubmit={submit} noValidate>
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
