// Finding a profile by whatever one has of it: its id, its custom id or the beginning of it, words of its nickname, `key:value`.

import { useQuery } from '@tanstack/react-query';
import { ApiError } from './api.ts';
import { useSettled } from './queries.ts';
import { useApplication, useSession } from './session.tsx';
import type { Page, Profile } from './types.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const isUuid = (text: string): boolean => UUID.test(text);

export function useProfileSearch(text: string, limit = 8) {
  const { client } = useSession();
  const { path } = useApplication();
  const settled = useSettled(text.trim(), 220);
  const list = path('profiles/');
  return useQuery<Profile[]>({
    queryKey: [list, 'search', settled, limit],
    enabled: settled !== '',
    placeholderData: (before) => before,
    queryFn: async ({ signal }) => {
      if (isUuid(settled)) {
        const found = await client
          .request<Profile>(path(`profiles/${settled.toLowerCase()}/`), { signal })
          .catch((error: unknown) => {
            if (error instanceof ApiError && error.status === 404) return undefined;
            throw error;
          });
        if (found) return [found];
      }
      const ask = (query: Record<string, string | number | boolean>): Promise<Page<Profile>> =>
        client.request<Page<Profile>>(list, { query: { ...query, count: false, page_size: limit }, signal });
      const pages = await Promise.all([
        ask({ custom_id: settled }),
        ask({ search: settled.slice(0, 255) }),
        ...(/^[^:]+:./.test(settled) ? [ask({ attributes: settled })] : []),
      ]);
      const unique = new Map(pages.flatMap((page) => page.results).map((profile) => [profile.id, profile]));
      return [...unique.values()].slice(0, limit);
    },
  });
}
