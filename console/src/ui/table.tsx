// The table of every list: its head, rows that load, the empty state, and what failed.

import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Failed, Skeleton } from './bits.tsx';
import { SortHead, type Order } from './sort-head.tsx';

export interface Column {
  head: ReactNode;
  /** How wide its text is while it loads. */
  skeleton: number | string;
  className?: string;
  /** How the list is ordered by it, where it can be. */
  order?: Order | undefined;
}

export const ACTIONS: Column = {
  head: <span className="visually-hidden">Actions</span>,
  skeleton: 24,
  className: 'fit',
};

interface TableProps<T> {
  columns: (Column | false)[];
  /** Undefined while they load. */
  rows: readonly T[] | undefined;
  /** A `tr` with its key. */
  children: (row: T) => ReactNode;
  /** Where the rows come from: what failed there is said, with a way to try again. */
  of: { error: unknown; refetch?: () => unknown };
  /** Instead of the table where there are no rows. */
  empty: ReactNode;
  /** The heading above a row; rows of one follow each other. */
  sectionOf?: (row: T) => string;
  /** Rows that are shown while they load. */
  loading?: number;
  /** On a phone the first cell takes a line of its own. */
  folds?: boolean;
}

export function Table<T>({ columns, rows, children, of, empty, sectionOf, loading = 6, folds = true }: TableProps<T>) {
  if (of.error && !rows) return <Failed error={of.error} retry={of.refetch} />;
  if (rows?.length === 0) return empty;
  const shown = columns.filter((column) => column !== false);
  return (
    <Wrap>
      <table className={folds ? 'table fold' : 'table'}>
        <thead>
          <tr>
            {shown.map(({ head, className, order }, index) =>
              order ? (
                <SortHead key={index} order={order} className={className}>
                  {head}
                </SortHead>
              ) : (
                <th key={index} scope="col" className={className}>
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        {rows ? (
          sections(rows, sectionOf).map(([section, members]) => (
            <tbody key={section}>
              {section !== '' && (
                <tr className="section">
                  <th scope="rowgroup" colSpan={shown.length}>
                    {section}
                  </th>
                </tr>
              )}
              {members.map(children)}
            </tbody>
          ))
        ) : (
          <tbody>
            {Array.from({ length: loading }, (_, row) => (
              <tr key={row}>
                {shown.map(({ skeleton, className }, column) => (
                  <td key={column} className={className}>
                    <Skeleton width={skeleton} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        )}
      </table>
    </Wrap>
  );
}

function sections<T>(rows: readonly T[], sectionOf: (row: T) => string = () => ''): [section: string, rows: T[]][] {
  const found = new Map<string, T[]>();
  for (const row of rows) {
    const section = sectionOf(row);
    const members = found.get(section);
    if (members) members.push(row);
    else found.set(section, [row]);
  }
  return [...found];
}

/** Where its table is wider than there is room it scrolls, and can be reached by keyboard for that. */
function Wrap({ children }: { children: ReactNode }) {
  const wrap = useRef<HTMLDivElement>(null);
  const [isWider, setIsWider] = useState(false);
  useEffect(() => {
    const element = wrap.current;
    if (!element) return;
    const look = (): void => setIsWider(element.scrollWidth > element.clientWidth);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    for (const child of element.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);
  return (
    <div className="table-wrap" ref={wrap} tabIndex={isWider ? 0 : undefined}>
      {children}
    </div>
  );
}
