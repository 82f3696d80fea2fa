// Who entered and left, newest first. The feed is read from its end backwards: its last sequence is asked for once.

import { IconArrowDownLeft, IconArrowUpRight, IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useApplication, useSession } from '../../session.tsx';
import type { Change, Group, Page } from '../../types.ts';
import { Badge, Empty, Failed, SkeletonRows, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { ProfileName } from '../../ui/profile-name.tsx';

const CAUSES: Record<string, string> = {
  activity: 'by an activity',
  clock: 'by the clock',
  profile: 'by a change of the profile',
  group: 'by another group',
  rule: 'by a new rule',
  pin: 'by a pin',
  manual: 'by hand',
  import: 'by an upload',
  erased: 'erased',
};

export function GroupChanges({ group }: { group: Group }) {
  return (
    <section className="card" aria-label="Changes">
      <Changes group={group} size={50} more />
    </section>
  );
}

export function Changes({ group, size, more = false }: { group: Group; size: number; more?: boolean }) {
  const { client } = useSession();
  const { path } = useApplication();
  const address = path(`profile-groups/${group.id}/changes/`);
  const changes = useInfiniteQuery({
    queryKey: [address, size],
    initialPageParam: undefined as number | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const before = pageParam ?? (await lastSequence(client, address, signal)) + 1;
      const after = Math.max(0, before - 1 - size);
      const count = before - 1 - after;
      if (count === 0) return { rows: [] as Change[], before: 1 };
      const page = await client.request<Page<Change>>(address, {
        query: { after: String(after), page_size: count, count: false },
        signal,
      });
      return { rows: page.results.filter((change) => change.sequence < before).reverse(), before: after + 1 };
    },
    getNextPageParam: (page) => (page.before > 1 ? page.before : undefined),
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? 5_000 : false),
  });
  if (changes.isError && !changes.data) return <Failed error={changes.error} retry={() => void changes.refetch()} />;
  const rows = changes.data?.pages.flatMap((page) => page.rows) ?? [];
  if (changes.data && rows.length === 0) {
    return (
      <Empty icon={<IconHistory size={32} aria-hidden />} title="Nothing has changed yet">
        Each time a profile enters or leaves, it appears here with the instant and the reason.
      </Empty>
    );
  }
  return (
    <>
      <div className="table-wrap">
        <table className="table fold">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Profile</th>
              <th scope="col">Why</th>
              <th scope="col" className="right">
                When
              </th>
            </tr>
          </thead>
          <tbody>
            {changes.data ? (
              rows.map((row) => (
                <tr key={row.sequence}>
                  <td className="fit">
                    {row.change === 'entered' ? (
                      <Badge tone="good">
                        <IconArrowDownLeft size={13} aria-hidden /> Entered
                      </Badge>
                    ) : (
                      <Badge>
                        <IconArrowUpRight size={13} aria-hidden /> Left
                      </Badge>
                    )}
                  </td>
                  <td className="wide">
                    <ProfileName id={row.profile_id} />
                  </td>
                  <td className="fit muted">{CAUSES[row.cause] ?? row.cause}</td>
                  <td className="fit right muted">
                    <Time at={row.at} ago />
                  </td>
                </tr>
              ))
            ) : (
              <SkeletonRows rows={Math.min(size, 8)} widths={[70, '60%', 90, 80]} />
            )}
          </tbody>
        </table>
      </div>
      {more && changes.hasNextPage && (
        <div className="pager">
          <Button small busy={changes.isFetchingNextPage} onClick={() => void changes.fetchNextPage()}>
            Older changes
          </Button>
        </div>
      )}
    </>
  );
}

async function lastSequence(
  client: { request<T>(path: string, options: object): Promise<T> },
  address: string,
  signal: AbortSignal,
): Promise<number> {
  const page = await client.request<Page<Change> & { last_sequence?: number }>(address, {
    query: { page_size: 1 },
    signal,
  });
  return page.last_sequence ?? page.count ?? page.results.at(-1)?.sequence ?? 0;
}
