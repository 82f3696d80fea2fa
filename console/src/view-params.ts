// What a page shows stands in its address, so that every view has a link.

import { useSearchParams } from 'wouter';

/** The parameters, and a way to change some; the empty ones go away, and so does the place in a list unless it is given. */
export function useViewParams(): [URLSearchParams, (changes: Record<string, string>) => void] {
  const [params, setParams] = useSearchParams();
  const set = (changes: Record<string, string>): void =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.delete('cursor');
        for (const [key, value] of Object.entries(changes)) {
          if (value === '') next.delete(key);
          else next.set(key, value);
        }
        return next;
      },
      { replace: true },
    );
  return [params, set];
}
