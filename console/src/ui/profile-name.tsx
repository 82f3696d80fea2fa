import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { ApiError, type Client } from '../api.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Page, Profile } from '../types.ts';
import { Skeleton } from './bits.tsx';

const MAX_AT_ONCE = 100;

interface Asked {
  id: string;
  resolve: (profile: Profile | null) => void;
  reject: (reason: unknown) => void;
}

/** By the path of the list: what rows of one moment ask for. */
const waiting = new Map<string, Asked[]>();

/** The profile, or null of one that is gone. Those that are asked for in the same moment are one request. */
function findProfile(client: Client, path: string, id: string): Promise<Profile | null> {
  return new Promise((resolve, reject) => {
    const together = waiting.get(path) ?? [];
    if (together.length === 0) {
      waiting.set(path, together);
      setTimeout(() => {
        waiting.delete(path);
        for (let from = 0; from < together.length; from += MAX_AT_ONCE)
          void ask(client, path, together.slice(from, from + MAX_AT_ONCE));
      });
    }
    together.push({ id, resolve, reject });
  });
}

async function ask(client: Client, path: string, asked: Asked[]): Promise<void> {
  try {
    const query = { id: asked.map(({ id }) => id), count: false, page_size: MAX_AT_ONCE };
    const { results } = await client.request<Page<Profile>>(path, { query });
    const found = new Map(results.map((profile) => [profile.id, profile]));
    for (const { id, resolve, reject } of asked) {
      const profile = found.get(id);
      if (profile) resolve(profile);
      else leadsTo(client, id).then(resolve, reject);
    }
  } catch (error) {
    for (const { reject } of asked) reject(error);
  }
}

/** The profile that an id means since its own was merged; null of one that was erased. */
async function leadsTo(client: Client, id: string): Promise<Profile | null> {
  try {
    return await client.request<Profile>(`profiles/${id}/`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** A profile by its id: its nickname with a link, or the bare id of one that is gone. */
export function ProfileName({ id }: { id: string }) {
  const { href, path } = useApplication();
  const { client } = useSession();
  const profile = useQuery({
    queryKey: [path(`profiles/${id}/`), 'name'],
    queryFn: () => findProfile(client, path('profiles/'), id),
    staleTime: 120_000,
  });
  if (profile.isPending) return <Skeleton width={120} />;
  if (!profile.data) {
    return (
      <span className="faint truncate" title={id}>
        {profile.data === null ? 'erased ' : ''}
        <code>{id}</code>
      </span>
    );
  }
  return (
    <Link href={href(`profiles/${id}`)} className="name">
      <bdi>{profile.data.nickname}</bdi>
    </Link>
  );
}
