// Who this is, in four figures.

import { formatDate, formatNumber } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Activity, GroupOfProfile, Page, Profile } from '../../types.ts';
import { Time } from '../../ui/bits.tsx';
import { Stat } from '../../ui/stat.tsx';
import { useTypeLabels } from './activities.tsx';
import { sentenceOf } from './sentences.ts';

/** Its first rows show on the page too, so that both ask once. */
export const FIRST_GROUPS = 10;

export function Summary({ profile }: { profile: Profile }) {
  const { path } = useApplication();
  const labelOf = useTypeLabels();
  const newest = useGet<Page<Activity>>(
    path(`profiles/${profile.id}/activities/`),
    { page_size: 1 },
    { every: 10_000, keep: false },
  );
  const groups = useGet<Page<GroupOfProfile>>(
    path(`profiles/${profile.id}/profile-groups/`),
    { page_size: FIRST_GROUPS },
    { every: 10_000, keep: false },
  );
  const [last] = newest.data?.results ?? [];
  const names = groups.data?.results.map(({ group_name: name }) => name);
  return (
    <section className="stats" aria-label="At a glance">
      <Stat
        label="Last seen"
        figure={profile.last_active_at === null ? 'never' : <Time at={profile.last_active_at} ago />}
        beside={last ? sentenceOf(last, labelOf(last.type)).text : newest.data && 'No activity yet'}
      />
      <Stat
        label="First seen"
        figure={<span title={profile.created_at}>{formatDate(profile.created_at)}</span>}
        beside={<Time at={profile.created_at} ago />}
      />
      <Stat
        label="Activities"
        figure={newest.data && formatNumber(newest.data.count ?? newest.data.results.length)}
        beside="in all"
      />
      <Stat
        label="Groups"
        figure={groups.data && formatNumber(groups.data.count ?? groups.data.results.length)}
        beside={names && <span className="truncate name">{names.length === 0 ? 'in none' : names.join(', ')}</span>}
      />
    </section>
  );
}
