// Several values in a row, each with a cross.

import { IconX } from '@tabler/icons-react';

export function Chips({
  items,
  name,
  onRemove,
  disabled,
}: {
  items: string[];
  name: (item: string) => string;
  onRemove: (index: number) => void;
  disabled?: boolean | undefined;
}) {
  if (items.length === 0) return null;
  return (
    <ul className="chips">
      {items.map((item, index) => (
        <li key={`${index} ${item}`} className="chip">
          <span className="truncate name">{name(item)}</span>
          {!disabled && (
            <button type="button" onClick={() => onRemove(index)} aria-label={`Remove ${name(item)}`}>
              <IconX size={13} aria-hidden />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
