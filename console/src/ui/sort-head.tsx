import type { ReactNode } from 'react';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';

interface SortHeadProps {
  /** What the list is ordered by; undefined where it cannot be. */
  field: string | undefined;
  /** As the address has it: a field, with a minus downwards; empty for the list's own order. */
  ordering: string;
  /** The list's own order, where it is one of this field. */
  byDefault?: string;
  className?: string;
  onOrder: (ordering: string) => void;
  children: ReactNode;
}

/** The head of a column that orders the list: a click turns the order around. */
export function SortHead({ field, ordering, byDefault, className = '', onOrder, children }: SortHeadProps) {
  if (field === undefined) {
    return (
      <th scope="col" className={className}>
        {children}
      </th>
    );
  }
  const present = ordering === '' ? byDefault : ordering;
  const sorted = present === field ? 'ascending' : present === `-${field}` ? 'descending' : undefined;
  const next = sorted === 'ascending' ? `-${field}` : field;
  return (
    <th scope="col" aria-sort={sorted ?? 'none'} className={className}>
      <button type="button" className="sort" onClick={() => onOrder(next === byDefault ? '' : next)}>
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
