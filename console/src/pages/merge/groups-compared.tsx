// In which groups the two are, and in which the one that stays would be afterwards.

import { IconCheck } from '@tabler/icons-react';
import type { MergedProfile } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { formatNumber } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useGroupNames } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { GroupOfProfile, Page, Profile } from '../../types.ts';
import { Badge, Empty, Skeleton } from '../../ui/bits.tsx';

const SHOWN = 100;

interface GroupsComparedProps {
  source: Profile;
  target: Profile;
  after: MergedProfile | undefined;
}

export function GroupsCompared({ source, target, after }: GroupsComparedProps) {
  const { href } = useApplication();
  const [ofSource, ofTarget] = [useGroups(source.id), useGroups(target.id)];
  const named = new Map(
    [...(ofTarget?.results ?? []), ...(ofSource?.results ?? [])].map((one) => [one.group_id, one.group_name]),
  );
  // A rule may let the profile enter a group that neither is in.
  const others = [...(after?.groups.entered ?? []), ...(after?.groups.left ?? [])].filter((id) => !named.has(id));
  const nameOf = useGroupNames(others);
  for (const id of others) named.set(id, nameOf(id));
  const inSource = new Set(ofSource?.results.map(({ group_id: id }) => id));
  const inTarget = new Set(ofTarget?.results.map(({ group_id: id }) => id));
  const entered = new Set(after?.groups.entered);
  const left = new Set(after?.groups.left);
  const rank = (id: string): number => (entered.has(id) ? 0 : left.has(id) ? 1 : 2);
  const ids = [...named.keys()].sort((a, b) => rank(a) - rank(b)); // stable: the newest first otherwise
  const isAll = (ofSource?.count ?? 0) <= SHOWN && (ofTarget?.count ?? 0) <= SHOWN;
  return (
    <section className="card" aria-labelledby="groups-heading">
      <div className="card-head">
        <h2 id="groups-heading">Groups</h2>
        {after && (
          <span className="row">
            {entered.size > 0 && <Badge tone="good">enters {formatNumber(entered.size)}</Badge>}
            {left.size > 0 && <Badge tone="warn">leaves {formatNumber(left.size)}</Badge>}
            {entered.size + left.size === 0 && <span className="muted">Nothing changes.</span>}
          </span>
        )}
      </div>
      {!ofSource || !ofTarget || !after ? (
        <div className="pad">
          <Skeleton width="50%" />
        </div>
      ) : ids.length === 0 ? (
        <Empty title="Neither is in a group" />
      ) : (
        <div className="table-wrap" tabIndex={0} role="region" aria-label="Groups of both">
          <table className="table compare">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col">Is merged</th>
                <th scope="col">Stays</th>
                <th scope="col">Afterwards</th>
              </tr>
            </thead>
            <tbody>
              {ids.map((id) => (
                <tr key={id}>
                  <th scope="row">
                    <Link href={href(`groups/${id}`)} className="name">
                      <bdi>{named.get(id)}</bdi>
                    </Link>
                  </th>
                  <Mark is={inSource.has(id)} />
                  <Mark is={inTarget.has(id)} />
                  <td>
                    {entered.has(id) ? (
                      <Badge tone="good">enters</Badge>
                    ) : left.has(id) ? (
                      <Badge tone="warn">leaves</Badge>
                    ) : inTarget.has(id) ? (
                      'member'
                    ) : (
                      <span className="faint">not a member</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {!isAll && <p className="pad muted">The newest {SHOWN} groups of each are shown, and all that change.</p>}
    </section>
  );
}

function useGroups(id: string): Page<GroupOfProfile> | undefined {
  const { path } = useApplication();
  return useGet<Page<GroupOfProfile>>(path(`profiles/${id}/profile-groups/`), { page_size: SHOWN }, { keep: false })
    .data;
}

function Mark({ is }: { is: boolean }) {
  return (
    <td>
      {is ? (
        <>
          <IconCheck size={16} aria-hidden />
          <span className="visually-hidden">member</span>
        </>
      ) : (
        <span className="faint">–</span>
      )}
    </td>
  );
}
