import { useState } from 'react';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { Button } from './button.tsx';
import { toast } from './toast.tsx';

export function CopyButton({
  text,
  label = 'Copy',
  iconOnly = true,
}: {
  text: string;
  label?: string;
  iconOnly?: boolean;
}) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1_500);
    } catch {
      toast('The browser does not let this page copy. Select the text and copy it yourself.');
    }
  };
  const icon = done ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />;
  return (
    <Button small look={iconOnly ? 'quiet' : 'plain'} icon={icon} iconOnly={iconOnly} onClick={() => void copy()}>
      {done ? 'Copied' : label}
    </Button>
  );
}

/** An id in the font of machines, with a button that copies it. */
export function Id({ value, label }: { value: string; label: string }) {
  return (
    <span className="row over-link" style={{ '--gap': '2px', maxWidth: '100%' } as React.CSSProperties}>
      <code className="truncate" title={value}>
        {value}
      </code>
      <CopyButton text={value} label={`Copy ${label}`} />
    </span>
  );
}
