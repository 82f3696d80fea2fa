// How a group overlaps with others: every intersection with its exact size, the largest first, as rows of dots and bars.

import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import type { Comparison } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { formatNumber, formatPercent } from '../../format.ts';
import { useGroupNames } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Problem, Skeleton, Time } from '../../ui/bits.tsx';
import { GroupsInput } from '../../ui/groups-input.tsx';

const MOST = 5;

export function GroupOverlap({ group }: { group: Group }) {
  const application = useApplication();
  const { client } = useSession();
  const [others, setOthers] = useState<string[]>([]);
  const nameOf = useGroupNames(others);
  const groups = [group.id, ...others];
  const path = application.path('profile-groups/compare/');
  const { data, error, isFetching } = useQuery<Comparison>({
    queryKey: [path, groups],
    queryFn: ({ signal }) =>
      client.request<Comparison>(path, { method: 'POST', body: { groups }, signal, reads: true, timeout: 60_000 }),
    enabled: others.length > 0,
    placeholderData: (before) => before,
  });
  return (
    <section className="card pad stack" aria-labelledby="overlap-heading">
      <h2 id="overlap-heading">Overlap with other groups</h2>
      <div>
        <GroupsInput
          label="Compare with"
          value={others}
          except={group.id}
          nameOf={nameOf}
          onChange={(next) => setOthers((next as string[]).slice(0, MOST - 1))}
        />
      </div>
      <Problem>{error ? messageOf(error) : undefined}</Problem>
      {others.length === 0 ? (
        <p className="muted">Choose up to four groups to see who is in several of them.</p>
      ) : data ? (
        <div className={isFetching ? 'stale' : ''} aria-busy={isFetching}>
          <Picture comparison={data} />
        </div>
      ) : (
        !error && <Skeleton width="60%" height={120} />
      )}
    </section>
  );
}

/** Each profile stands in one row: that of exactly the groups that it is in. */
function Picture({ comparison: { groups, intersections, union, as_of: asOf } }: { comparison: Comparison }) {
  const rows = intersections.filter(({ only }) => only > 0).sort((a, b) => b.only - a.only);
  const most = Math.max(1, ...rows.map(({ only }) => only));
  return (
    <>
      <div className="table-wrap" tabIndex={0} role="region" aria-label="Profiles by the groups that they are in">
        <table className="table overlap">
          <caption className="visually-hidden">Profiles by the groups that they are in, each counted once</caption>
          <thead>
            <tr>
              {groups.map((each) => (
                <th key={each.id} scope="col">
                  <span className="name">{each.name}</span>
                  <span className="faint numeric"> {formatNumber(each.count)}</span>
                </th>
              ))}
              <th scope="col">Profiles in exactly these</th>
              <th scope="col">In all of these</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.groups.join()}>
                {groups.map((each) => (
                  <td key={each.id} className="overlap-dot">
                    <span className={row.groups.includes(each.id) ? 'dot in' : 'dot'} aria-hidden />
                    <span className="visually-hidden">{row.groups.includes(each.id) ? 'in' : 'not in'}</span>
                  </td>
                ))}
                <td>
                  <div className="overlap-bar">
                    <span style={{ inlineSize: `${(row.only / most) * 100}%` }} aria-hidden />
                    <strong className="numeric">{formatNumber(row.only)}</strong>
                    <span className="faint">{formatPercent(row.only / Math.max(1, union))}</span>
                  </div>
                </td>
                <td className="numeric">{formatNumber(row.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="muted small">
        {formatNumber(union)} in any of them. Exact as of <Time at={asOf} ago />.
      </p>
    </>
  );
}
