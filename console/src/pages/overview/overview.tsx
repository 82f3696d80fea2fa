// How the application stands: who is there, what happens, which groups move, and whether they are right.

import { useMemo, type ReactNode } from 'react';
import { IconArrowDownLeft, IconArrowUpRight, IconUsersGroup } from '@tabler/icons-react';
import type { Statistics } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { formatMoment, formatNumber, millis } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import { Badge, Failed, Skeleton } from '../../ui/bits.tsx';
import { Chart, type Point } from '../../ui/charts.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Stat } from '../../ui/stat.tsx';
import { LimitNotice } from '../usage/limits.tsx';
import { Attention } from './attention.tsx';
import { InstallationWarnings } from './installation.tsx';
import { FreshnessBadge, Health } from './health.tsx';
import { Start } from './start.tsx';

export function OverviewPage() {
  const application = useApplication();
  const statistics = useGet<Statistics>(application.path('statistics/'), {}, { every: 5_000 });
  const { data } = statistics;
  return (
    <>
      <PageHead title="Overview" beside={data && <FreshnessBadge statistics={data} />}>
        {application.name}
      </PageHead>
      {statistics.isError && !data ? (
        <section className="card">
          <Failed error={statistics.error} retry={() => void statistics.refetch()} />
        </section>
      ) : (
        <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
          <Attention />
          {data && <InstallationWarnings warnings={data.warnings} />}
          <LimitNotice isElsewhere />
          {data && <Start statistics={data} />}
          <Figures statistics={data} />
          <div className="halves">
            <Days title="Active profiles" noun="active profiles" of="active_profiles" statistics={data} />
            <Days title="New profiles" noun="new profiles" of="new_profiles" statistics={data} />
          </div>
          <Minutes statistics={data} />
          <div className="halves">
            <GroupList
              title="Largest groups"
              empty="Groups appear here by their size."
              groups={data?.groups.largest}
              figure={({ profile_count: count }) => formatNumber(count)}
            />
            <GroupList
              title="Moving fastest"
              beside="24 hours"
              empty="Nobody entered or left a group within 24 hours."
              groups={data?.groups.fastest}
              figure={({ entered, left }) => <Moves entered={entered} left={left} />}
            />
          </div>
          <Health statistics={data} />
        </div>
      )}
    </>
  );
}

function Figures({ statistics }: { statistics: Statistics | undefined }) {
  const { href } = useApplication();
  const [yesterday, today] = statistics?.days.slice(-2) ?? [];
  const groups = statistics && statistics.groups.static + statistics.groups.dynamic;
  return (
    <div className="stats">
      <Stat
        label={<Link href={href('profiles')}>Profiles</Link>}
        figure={statistics && formatNumber(statistics.profiles.count)}
        beside={today && `${formatNumber(today.new_profiles)} new today`}
      />
      <Stat
        label="Active today"
        figure={today && formatNumber(today.active_profiles)}
        beside={yesterday && `${formatNumber(yesterday.active_profiles)} yesterday`}
      />
      <Stat
        label={<Link href={href('activities')}>Activities per minute</Link>}
        figure={statistics && formatNumber(statistics.activities.last_minute)}
        beside={today && `${formatNumber(today.activities)} happened today`}
      />
      <Stat
        label={<Link href={href('groups')}>Groups</Link>}
        figure={groups === undefined ? undefined : formatNumber(groups)}
        beside={statistics && `${formatNumber(statistics.groups.dynamic)} of them dynamic`}
      />
    </div>
  );
}

type DayFigure = 'active_profiles' | 'new_profiles';

function Days({
  title,
  noun,
  of,
  statistics,
}: {
  title: string;
  noun: string;
  of: DayFigure;
  statistics: Statistics | undefined;
}) {
  const days = statistics?.days;
  const points = useMemo<Point[] | undefined>(
    () => days?.map((day) => ({ at: millis(day.day), value: day[of] })),
    [days, of],
  );
  const counted = days?.at(-1)?.counted_at;
  return (
    <section className="card" aria-label={title}>
      <div className="card-head bare">
        <h2>{title}</h2>
        <span className="muted small" title={counted ? `Today as counted ${formatMoment(counted)}` : undefined}>
          each day, last 30 days (UTC)
        </span>
      </div>
      <div className="chart-pad">
        {points ? (
          <Chart label={`${title} a day`} noun={noun} kind="bars" height={150} points={points} />
        ) : (
          <Skeleton width="100%" height={150} />
        )}
      </div>
    </section>
  );
}

function Minutes({ statistics }: { statistics: Statistics | undefined }) {
  const { href } = useApplication();
  const minutes = statistics?.activities.minutes;
  const points = useMemo(
    () => minutes?.map(({ at, activities }) => ({ at: millis(at), value: activities })),
    [minutes],
  );
  const total = minutes?.reduce((sum, { activities }) => sum + activities, 0);
  return (
    <section className="card" aria-labelledby="minutes-heading">
      <div className="card-head bare">
        <h2 id="minutes-heading" className="row">
          Activities by minute
          <Badge tone="good" dot>
            Live
          </Badge>
        </h2>
        <span className="small">
          {total !== undefined && <span className="muted">{formatNumber(total)} in the last hour · </span>}
          <Link href={href('activities')}>Watch</Link>
        </span>
      </div>
      <div className="chart-pad">
        {points ? (
          <Chart label="Activities a minute" noun="activities" kind="bars" height={120} unit="hour" points={points} />
        ) : (
          <Skeleton width="100%" height={120} />
        )}
      </div>
    </section>
  );
}

type Listed = Statistics['groups']['largest'][number];

function GroupList<T extends Listed>({
  title,
  beside,
  empty,
  groups,
  figure,
}: {
  title: string;
  beside?: string;
  empty: string;
  groups: T[] | undefined;
  figure: (group: T) => ReactNode;
}) {
  const { href } = useApplication();
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
        {beside && <span className="muted small">{beside}</span>}
      </div>
      {groups?.length === 0 ? (
        <p className="pad muted row">
          <IconUsersGroup size={18} aria-hidden /> {empty}
        </p>
      ) : (
        <ul className="rows">
          {groups
            ? groups.map((group) => (
                <li key={group.group_id} className="linked">
                  <Link href={href(`groups/${group.group_id}`)} className="row-link name truncate">
                    <bdi>{group.name}</bdi>
                  </Link>
                  <span className="numeric">{figure(group)}</span>
                </li>
              ))
            : Array.from({ length: 5 }, (_, row) => (
                <li key={row}>
                  <Skeleton width="46%" />
                  <Skeleton width={50} />
                </li>
              ))}
        </ul>
      )}
    </section>
  );
}

function Moves({ entered, left }: { entered: number; left: number }) {
  return (
    <span className="moves">
      <span title={`${formatNumber(entered)} entered`}>
        <IconArrowDownLeft size={14} aria-hidden />
        <span className="visually-hidden">entered: </span>
        {formatNumber(entered)}
      </span>
      <span className="muted" title={`${formatNumber(left)} left`}>
        <IconArrowUpRight size={14} aria-hidden />
        <span className="visually-hidden">left: </span>
        {formatNumber(left)}
      </span>
    </span>
  );
}
