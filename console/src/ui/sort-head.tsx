import type { ReactNode } from 'react';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';

export interface Order {
  by: string;
  /** As the address has it: a field, with a minus downwards; empty for the list's own order. */
  now: string;
  /** The list's own order, where it is one of this field. */
  byDefault?: string;
  set: (ordering: string) => void;
}

/** The head of a column that orders the list: a click turns the order around. */
export function SortHead({
  order: { by, now, byDefault, set },
  className,
  children,
}: {
  order: Order;
  className: string | undefined;
  children: ReactNode;
}) {
  const present = now === '' ? byDefault : now;
  const sorted = present === by ? 'ascending' : present === `-${by}` ? 'descending' : undefined;
  const next = sorted === 'ascending' ? `-${by}` : by;
  return (
    <th scope="col" aria-sort={sorted ?? 'none'} className={className}>
      <button type="button" className="sort" onClick={() => set(next === byDefault ? '' : next)}>
        {children}
        {sorted === 'ascending' ? (
          <IconArrowUp size={13} aria-hidden />
        ) : sorted === 'descending' ? (
          <IconArrowDown size={13} aria-hidden />
        ) : (
          <IconArrowsSort size={13} aria-hidden className="idle" />
        )}
      </button>
    </th>
  );
}
