import { Link } from 'wouter';
import { ApiError } from '../api.ts';
import { useGet } from '../queries.ts';
import { useApplication } from '../session.tsx';
import type { Profile } from '../types.ts';
import { Skeleton } from './bits.tsx';

/** A profile by its id: its nickname with a link, or the bare id of one that is gone. */
export function ProfileName({ id }: { id: string }) {
  const { href } = useApplication();
  const profile = useGet<Profile>(`profiles/${id}/`, {}, { staleMs: 120_000 });
  if (profile.isPending) return <Skeleton width={120} />;
  if (!profile.data) {
    const erased = profile.error instanceof ApiError && profile.error.status === 404;
    return (
      <span className="faint truncate" title={id}>
        {erased ? 'erased ' : ''}
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
