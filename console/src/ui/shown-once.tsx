import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { CopyButton } from './copy.tsx';
import { Dialog } from './dialog.tsx';

interface ShownOnceProps {
  title: string;
  /** What is shown: “token”, “link”. */
  noun: string;
  text: string;
  children: ReactNode;
  onClose: () => void;
}

/** A secret that is nowhere to be found again, to be copied now. */
export function ShownOnce({ title, noun, text, children, onClose }: ShownOnceProps) {
  return (
    <Dialog
      title={title}
      onClose={onClose}
      foot={
        <>
          <CopyButton text={text} label={`Copy the ${noun}`} iconOnly={false} />
          <Button look="primary" onClick={onClose}>
            Done
          </Button>
        </>
      }
    >
      <p className="muted name">{children}</p>
      <pre className="text-block" tabIndex={0} role="region" aria-label={`The ${noun}`}>
        {text}
      </pre>
    </Dialog>
  );
}
