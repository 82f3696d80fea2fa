import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';

/** Shown once: it is nowhere to be found again. */
export function TokenDialog({
  title,
  token,
  children,
  onClose,
}: {
  title: string;
  token: string;
  children?: React.ReactNode;
  onClose: () => void;
}) {
  return (
    <Dialog
      title={title}
      onClose={onClose}
      foot={
        <>
          <CopyButton text={token} label="Copy the token" iconOnly={false} />
          <Button look="primary" onClick={onClose}>
            Done
          </Button>
        </>
      }
    >
      <div className="stack">
        <p className="muted">
          {children ?? 'This is its access token. It is shown here and nowhere else: copy it now if you need it.'}
        </p>
        <pre className="text-block" tabIndex={0} role="region" aria-label="Access token">
          {token}
        </pre>
      </div>
    </Dialog>
  );
}
