// Reading and writing the API from pages: one cache keyed by path and query, and writes that say what they changed.

import { useCallback, useEffect, useState } from 'react';
import { useMutation, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import type { Client, Query, RequestOptions } from './api.ts';
import { useApplication, useSession } from './session.tsx';
import type { Attribute } from './types.ts';

interface GetOptions<T> {
  /** Ask again every so many milliseconds, by the answer if it is a function; false: never. */
  every?: number | false | ((answer: T | undefined) => number | false);
  staleMs?: number;
  /** Shows the answer to the question before while the next one is asked. */
  keep?: boolean;
}

/** The answer to a GET; nothing is asked while `path` is null. */
export function useGet<T>(
  path: string | null,
  query: Query = {},
  { every = false, staleMs, keep = true }: GetOptions<T> = {},
): UseQueryResult<T> {
  const { client } = useSession();
  return useQuery<T>({
    queryKey: [path, query],
    queryFn: ({ signal }) => client.request<T>(path ?? '', { query, signal }),
    enabled: path !== null,
    refetchInterval: typeof every === 'function' ? ({ state }) => every(state.data) : every,
    ...(staleMs !== undefined && { staleTime: staleMs }),
    ...(keep && { placeholderData: (before: T | undefined) => before as never }), // of the same type: the same hook asked
  });
}

/** Marks everything below these paths as out of date. */
export function useInvalidate(): (...paths: string[]) => Promise<void> {
  const queries = useQueryClient();
  return useCallback(
    (...paths) =>
      queries.invalidateQueries({
        predicate: ({ queryKey: [key] }) => typeof key === 'string' && paths.some((path) => key.startsWith(path)),
      }),
    [queries],
  );
}

/** Shows this as the answer to a GET of the path at once, rather than when it is asked next. */
export function useRemember(): <T>(path: string, answer: T) => void {
  const queries = useQueryClient();
  return useCallback((path, answer) => queries.setQueryData([path, {}], answer), [queries]);
}

/** A write. It throws what the server answered; `error` keeps it for the form. */
export function useSend<V, T = unknown>(
  work: (client: Client, value: V) => Promise<T>,
  changes: (value: V) => string[] = () => [],
) {
  const { client } = useSession();
  const invalidate = useInvalidate();
  return useMutation<T, Error, V>({
    mutationFn: (value) => work(client, value),
    onSuccess: (_answer, value) => void invalidate(...changes(value)),
  });
}

export type { RequestOptions };

/** The value once it has not changed for a moment. */
export function useSettled<T>(value: T, ms = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

export interface Catalogue {
  results: Attribute[];
  /** What stands beside the catalogue: other groups, random buckets. */
  leaves: Attribute[];
}

/** The catalogue, whole: it is what fields and conditions are made of. */
export function useCatalogue(): UseQueryResult<Catalogue> {
  const { path } = useApplication();
  return useGet<Catalogue>(path('profile-attributes/'), {}, { staleMs: 60_000 });
}
