// How the server would read a file, from its beginning: its columns, what each is taken for, the first rows.

import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { FilePreview, ImportKind } from '@grandstand/sdk/server';
import { useApplication, useSession } from '../session.tsx';
import type { Source } from './source.ts';

/** The server looks at 64 KiB; a little more tells it that the file goes on. */
const BEGINNING = 70_000;

export function usePreview(
  of: ImportKind,
  source: Source | undefined,
  { header = true, enabled = true }: { header?: boolean; enabled?: boolean } = {},
): UseQueryResult<FilePreview> {
  const { client } = useSession();
  const path = useApplication().path('imports/preview/');
  return useQuery<FilePreview>({
    queryKey: [path, of, source?.key, header],
    enabled: enabled && source !== undefined,
    retry: false,
    queryFn: ({ signal }) =>
      client.request<FilePreview>(path, {
        method: 'POST',
        query: { of, header },
        body: source?.body.slice(0, BEGINNING),
        contentType: source?.contentType ?? 'text/csv',
        reads: true,
        signal,
      }),
  });
}
