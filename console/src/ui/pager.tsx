import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import { plural } from '../format.ts';
import { Button } from './button.tsx';

interface Paged {
  count: number | null;
  next: string | null;
  previous: string | null;
  results: unknown[];
}

const cursorOf = (url: string): string => new URL(url).searchParams.get('cursor') ?? '';

/** How many there are in all, and the way to the next and the previous page. */
export function Pager({
  page,
  noun,
  plural: many,
  onCursor,
}: {
  page: Paged;
  noun: string;
  plural?: string;
  onCursor: (cursor: string) => void;
}) {
  const { count, next, previous } = page;
  if (page.results.length === 0 && !previous) return null;
  return (
    <div className="pager">
      <span className="numeric">{count === null ? '' : plural(count, noun, many)}</span>
      {(next ?? previous) !== null && (
        <div className="row">
          <Button
            small
            icon={<IconChevronLeft size={15} aria-hidden />}
            disabled={!previous}
            onClick={() => previous && onCursor(cursorOf(previous))}
          >
            Previous
          </Button>
          <Button small disabled={!next} onClick={() => next && onCursor(cursorOf(next))}>
            Next
            <IconChevronRight size={15} aria-hidden />
          </Button>
        </div>
      )}
    </div>
  );
}
