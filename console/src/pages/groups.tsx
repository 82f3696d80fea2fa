import { useMemo } from 'react';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import type { SizesOfGroups } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { formatNumber } from '../format.ts';
import { useGet, useSettled } from '../queries.ts';
import { useApplication } from '../session.tsx';
import type { Group, Page } from '../types.ts';
import { Empty, EvaluationBadge, Skeleton, Time } from '../ui/bits.tsx';
import { Button, ButtonLink } from '../ui/button.tsx';
import { Sparkline } from '../ui/charts.tsx';
import { Choices, SearchField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Pager } from '../ui/pager.tsx';
import { Table, type Column } from '../ui/table.tsx';
import { useViewParams } from '../view-params.ts';

type TypeFilter = '' | 'static' | 'dynamic' | 'inactive';

export function GroupsPage() {
  const application = useApplication();
  const [params, set] = useViewParams();
  const name = params.get('name') ?? '';
  const type = (params.get('type') ?? '') as TypeFilter; // an unknown one is answered with a 400
  const cursor = params.get('cursor') ?? '';
  const search = useSettled(name, 200);
  const groups = useGet<Page<Group>>(
    application.path('profile-groups/'),
    { name: search, ...(type === 'inactive' ? { is_active: 'false' } : { membership_type: type }), cursor },
    { every: 15_000 },
  );
  const page = groups.data;
  const sizesOf = useSizes(page?.results);
  const filtered = name !== '' || type !== '';
  const create = application.canWrite && (
    <ButtonLink look="primary" icon={<IconPlus size={16} aria-hidden />} href={application.href('groups/new')}>
      New group
    </ButtonLink>
  );
  return (
    <>
      <PageHead title="Groups" actions={create}>
        Named sets of profiles: some you fill by hand, some keep themselves by a rule.
      </PageHead>
      <div className="toolbar">
        <SearchField label="Search by name" value={name} onChange={(event) => set({ name: event.target.value })} />
        <Choices<TypeFilter>
          label="Which groups"
          value={type}
          onChange={(value) => set({ type: value })}
          choices={[
            { value: '', label: 'All' },
            { value: 'dynamic', label: 'Dynamic' },
            { value: 'static', label: 'Static' },
            { value: 'inactive', label: 'Inactive' },
          ]}
        />
      </div>
      <section className="card" aria-label="List of groups" aria-busy={groups.isFetching}>
        <Table
          columns={COLUMNS}
          rows={page?.results}
          of={groups}
          empty={<NoGroups filtered={filtered} onClear={() => set({ name: '', type: '' })} />}
        >
          {(group) => <GroupRow key={group.id} group={group} sizes={sizesOf(group)} />}
        </Table>
        {page && <Pager page={page} noun="group" onCursor={(next) => set({ cursor: next })} />}
      </section>
    </>
  );
}

const COLUMNS: Column[] = [
  { head: 'Name', skeleton: '55%' },
  { head: 'Members', skeleton: 48, className: 'right' },
  { head: '30 days', skeleton: 96 },
  { head: 'State', skeleton: 60 },
  { head: 'Changed', skeleton: 90 },
];

function GroupRow({ group, sizes }: { group: Group; sizes: number[] | undefined }) {
  const { href } = useApplication();
  return (
    <tr className="linked">
      <td>
        <Link href={href(`groups/${group.id}`)} className="row-link name">
          <bdi>{group.name}</bdi>
        </Link>
        {group.description && <div className="muted small clamp name">{group.description}</div>}
      </td>
      <td className="right numeric">{formatNumber(group.profile_count)}</td>
      <td className="fit hide-narrow">{group.is_active ? <Spark group={group} sizes={sizes} /> : null}</td>
      <td className="fit">
        {group.is_active ? (
          <EvaluationBadge evaluation={group.evaluation} membership={group.membership_type} />
        ) : (
          <span className="badge">Inactive</span>
        )}
      </td>
      <td className="fit muted hide-narrow">
        <Time at={group.updated_at} ago />
      </td>
    </tr>
  );
}

const DAY = 86_400_000;

/** The start of the day 30 days ago, so that the address is the same all day and the answer is kept. */
const monthAgo = (): string => new Date(Math.floor(Date.now() / DAY) * DAY - 29 * DAY).toISOString();

/** How the groups shown grew, by their ids, in one answer; none while it is on its way. */
function useSizes(groups: Group[] | undefined): (group: Group) => number[] | undefined {
  const { path } = useApplication();
  const ids = groups?.map(({ id }) => id) ?? [];
  const { data, isPending, isPlaceholderData } = useGet<SizesOfGroups>(
    ids.length > 0 ? path('profile-groups/sizes/') : null,
    { id: ids, interval: 'day', since: monthAgo() },
    { staleMs: 300_000 },
  );
  const sizes = useMemo(() => new Map(data?.results.map((one) => [one.group_id, one.sizes])), [data]);
  return ({ id }) => sizes.get(id) ?? (isPending || isPlaceholderData ? undefined : []);
}

function Spark({ group, sizes }: { group: Group; sizes: number[] | undefined }) {
  if (!sizes) return <Skeleton width={96} />;
  return (
    <Sparkline
      values={sizes}
      label={`${formatNumber(sizes[0] ?? 0)} members 30 days ago, ${formatNumber(group.profile_count)} now`}
    />
  );
}

function NoGroups({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const { canWrite, href } = useApplication();
  const icon = <IconUsersGroup size={36} aria-hidden />;
  if (filtered) {
    return (
      <Empty icon={icon} title="No group matches" action={<Button onClick={onClear}>Show all groups</Button>}>
        The search looks at the beginning of names.
      </Empty>
    );
  }
  return (
    <Empty
      icon={icon}
      title="Create your first group"
      action={
        canWrite && (
          <ButtonLink look="primary" href={href('groups/new')}>
            New group
          </ButtonLink>
        )
      }
    >
      A dynamic group keeps itself by a rule, such as “at least 10 comments in the last 7 days”. A static one holds whom
      you put in: VIPs, beta testers, a list from elsewhere.
    </Empty>
  );
}
