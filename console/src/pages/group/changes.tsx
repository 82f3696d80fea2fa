// Who entered and left, newest first. The feed is read from its end backwards: its last sequence is asked for once.

import { IconArrowDownLeft, IconArrowUpRight, IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useApplication, useSession } from '../../session.tsx';
import type { Change, Group, Page } from '../../types.ts';
import { Badge, Empty, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { ProfileName } from '../../ui/profile-name.tsx';
import { Table, type Column } from '../../ui/table.tsx';

export const CAUSES: Record<string, string> = {
  activity: 'by an activity',
  clock: 'by the clock',
  profile: 'by a change of the profile',
  group: 'by another group',
  rule: 'by a new rule',
  pin: 'by a pin',
  manual: 'by hand',
  import: 'by an upload',
  erased: 'erased',
  merged: 'merged',
};

const COLUMNS: Column[] = [
  { head: 'What', skeleton: 70 },
  { head: 'Profile', skeleton: '60%' },
  { head: 'Why', skeleton: 90 },
  { head: 'When', skeleton: 80, className: 'right' },
];

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
  const rows = changes.data?.pages.flatMap((page) => page.rows);
  return (
    <>
      <Table
        columns={COLUMNS}
        rows={rows}
        of={changes}
        loading={Math.min(size, 8)}
        empty={
          <Empty icon={<IconHistory size={32} aria-hidden />} title="Nothing has changed yet">
            Each time a profile enters or leaves, it appears here with the instant and the reason.
          </Empty>
        }
      >
        {(row) => (
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
        )}
      </Table>
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
