import { useDeferredValue } from 'react';
import { IconUsersGroup } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'wouter';
import { formatNumber } from '../format.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Group, Page } from '../types.ts';
import { Empty, EvaluationBadge, Failed, SkeletonRows, Time } from '../ui/bits.tsx';
import { Choices, SearchField } from '../ui/field.tsx';
import { Pager } from '../ui/pager.tsx';
import { PageHead } from '../ui/page-head.tsx';

type TypeFilter = '' | 'static' | 'dynamic';

export function GroupsPage() {
  const { client } = useSession();
  const application = useApplication();
  const [params, setParams] = useSearchParams();
  const name = params.get('name') ?? '';
  const type = (params.get('type') ?? '') as TypeFilter; // an unknown one is answered with a 400
  const cursor = params.get('cursor');
  const search = useDeferredValue(name);
  const groups = useQuery({
    queryKey: ['groups', application.client_id, search, type, cursor],
    queryFn: ({ signal }) =>
      client.request<Page<Group>>(application.path('profile-groups/'), {
        query: { name: search, membership_type: type, cursor },
        signal,
      }),
    placeholderData: (before) => before,
  });
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
  const page = groups.data;
  const filtered = name !== '' || type !== '';
  return (
    <>
      <PageHead title="Groups">Named sets of profiles: some you fill by hand, some keep themselves by a rule.</PageHead>
      <div className="toolbar">
        <SearchField label="Search by name" value={name} onChange={(event) => set({ name: event.target.value })} />
        <Choices<TypeFilter>
          label="Type"
          value={type}
          onChange={(value) => set({ type: value })}
          choices={[
            { value: '', label: 'All' },
            { value: 'dynamic', label: 'Dynamic' },
            { value: 'static', label: 'Static' },
          ]}
        />
      </div>
      <section className="card" aria-label="Groups" aria-busy={groups.isFetching}>
        {groups.isError && !page ? (
          <Failed error={groups.error} retry={() => void groups.refetch()} />
        ) : page?.results.length === 0 ? (
          <Empty
            icon={<IconUsersGroup size={36} aria-hidden />}
            title={filtered ? 'No group matches' : 'No groups yet'}
          >
            {filtered
              ? 'Try the beginning of its name, or another type.'
              : 'Groups that are made through the API appear here.'}
          </Empty>
        ) : (
          <div className="table-wrap">
            <table className="table fold">
              <thead>
                <tr>
                  <th>Name</th>
                  <th className="right">Members</th>
                  <th>State</th>
                  <th>Changed</th>
                </tr>
              </thead>
              <tbody>
                {page?.results.map((group) => (
                  <tr key={group.id}>
                    <td>
                      <strong className="name">{group.name}</strong>
                      {group.description && <div className="muted small name">{group.description}</div>}
                    </td>
                    <td className="right numeric">{formatNumber(group.profile_count)}</td>
                    <td className="fit">
                      <EvaluationBadge evaluation={group.evaluation} membership={group.membership_type} />
                    </td>
                    <td className="fit muted hide-narrow">
                      <Time at={group.updated_at} ago />
                    </td>
                  </tr>
                ))}
                {!page && <SkeletonRows widths={['60%', 50, 60, 90]} />}
              </tbody>
            </table>
          </div>
        )}
        {page && <Pager page={page} noun="group" onCursor={(next) => set({ cursor: next })} />}
      </section>
    </>
  );
}
