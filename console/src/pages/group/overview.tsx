import { useEffect } from 'react';
import { Link } from 'wouter';
import { formatNumber, formatSigned, millis } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { sentence } from '../../rules/phrases.ts';
import { useWords } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { Group, Page, SizePoint } from '../../types.ts';
import { Failed, Skeleton, Time } from '../../ui/bits.tsx';
import { Chart } from '../../ui/charts.tsx';
import { Id } from '../../ui/copy.tsx';
import { Choices } from '../../ui/field.tsx';
import { Stat } from '../../ui/stat.tsx';
import { useViewParams } from '../../view-params.ts';
import { Changes } from './changes.tsx';
import { GroupComing } from './coming.tsx';
import { GroupFlow } from './flow.tsx';
import { GroupUses } from './uses.tsx';

type Range = '24h' | '7d' | '30d' | '1y';
const HOUR = 3_600_000;
const RANGES: Record<Range, { span: number; interval: 'hour' | 'day' }> = {
  '24h': { span: 24 * HOUR, interval: 'hour' },
  '7d': { span: 7 * 24 * HOUR, interval: 'hour' },
  '30d': { span: 30 * 24 * HOUR, interval: 'day' },
  '1y': { span: 365 * 24 * HOUR, interval: 'day' },
};

export function GroupOverview({ group }: { group: Group }) {
  const application = useApplication();
  const [params, setParams] = useViewParams();
  const asked = params.get('period');
  const range: Range = asked !== null && asked in RANGES ? (asked as Range) : '30d'; // one of its keys
  const { span, interval } = RANGES[range];
  const step = interval === 'hour' ? HOUR : 24 * HOUR;
  const since = new Date(Math.floor(Date.now() / step) * step - span + step).toISOString();
  const every = group.evaluation?.state === 'filling' ? 1_000 : 5_000;
  const size = useGet<Page<SizePoint>>(
    application.path(`profile-groups/${group.id}/size/`),
    { interval, since },
    { every },
  );
  const { refetch } = size;
  const moved = `${group.profile_count} ${group.evaluation?.state ?? ''}`;
  useEffect(() => void refetch(), [moved, refetch]);
  const points = size.data?.results ?? [];
  // All three figures are of one answer, so that they never contradict each other.
  const members = size.data && (points.at(-1)?.size ?? group.profile_count);
  const entered = points.reduce((sum, point) => sum + (point.entered ?? 0), 0);
  const left = points.reduce((sum, point) => sum + (point.left ?? 0), 0);
  const words = useWords(group.ruleset?.rule_tree);
  return (
    <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
      <div className="stats">
        <Stat
          label="Members"
          figure={members === undefined ? undefined : formatNumber(members)}
          beside={size.data && `${formatSigned(entered - left)} in this period`}
        />
        <Stat label="Entered" figure={size.data ? formatNumber(entered) : undefined} beside="in this period" />
        <Stat label="Left" figure={size.data ? formatNumber(left) : undefined} beside="in this period" />
        {group.evaluation ? (
          <Stat
            label="Up to date as of"
            figure={group.evaluation.as_of ? <Time at={group.evaluation.as_of} ago every={1_000} /> : '–'}
            beside={group.evaluation.last_error ?? undefined}
          />
        ) : (
          <Stat label="Created" figure={<Time at={group.created_at} ago />} />
        )}
      </div>
      <section className="card" aria-labelledby="size-heading">
        <div className="card-head">
          <h2 id="size-heading">Size over time</h2>
          <Choices<Range>
            label="Period"
            value={range}
            onChange={(period) => setParams({ period: period === '30d' ? '' : period })}
            choices={[
              { value: '24h', label: 'Day' },
              { value: '7d', label: 'Week' },
              { value: '30d', label: 'Month' },
              { value: '1y', label: 'Year' },
            ]}
          />
        </div>
        <div className="pad">
          {size.isError && !size.data ? (
            <Failed error={size.error} retry={() => void size.refetch()} />
          ) : size.data ? (
            <Chart
              label="Members"
              noun="members"
              unit={interval}
              points={points.map((point) => ({ at: millis(point.at), value: point.size }))}
            />
          ) : (
            <Skeleton width="100%" height={200} />
          )}
        </div>
      </section>
      <GroupFlow group={group} interval={interval} since={since} every={every} />
      <GroupComing group={group} />
      {group.ruleset && (
        <section className="card" aria-labelledby="rule-heading">
          <div className="card-head">
            <h2 id="rule-heading">The rule</h2>
            <Link href={application.href(`groups/${group.id}/rule`)}>{application.canWrite ? 'Edit' : 'Show'}</Link>
          </div>
          <p className="pad name">{sentence(group.ruleset.rule_tree, words)}</p>
        </section>
      )}
      <div className="columns">
        <section className="card" aria-labelledby="changes-heading">
          <div className="card-head">
            <h2 id="changes-heading">Latest changes</h2>
            <Link href={application.href(`groups/${group.id}/changes`)}>All of them</Link>
          </div>
          <Changes group={group} size={8} />
        </section>
        <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
          <GroupUses group={group} />
          <section className="card pad" aria-labelledby="facts-heading">
            <h2 id="facts-heading" className="visually-hidden">
              Facts
            </h2>
            <dl className="facts">
              <dt>Id</dt>
              <dd>
                <Id value={group.id} label="id" />
              </dd>
              {group.custom_id !== null && (
                <>
                  <dt>Custom id</dt>
                  <dd>
                    <Id value={group.custom_id} label="custom id" />
                  </dd>
                </>
              )}
              <dt>Created</dt>
              <dd>
                <Time at={group.created_at} />
              </dd>
              <dt>Changed</dt>
              <dd>
                <Time at={group.updated_at} />
              </dd>
              <dt>Members see it</dt>
              <dd>{group.visible_to_members ? 'yes' : 'no'}</dd>
              {group.attributes.map(({ key, value }) => [
                <dt key={`${key} ${value} key`} className="name">
                  {key}
                </dt>,
                <dd key={`${key} ${value}`} className="name">
                  {value}
                </dd>,
              ])}
            </dl>
          </section>
        </div>
      </div>
    </div>
  );
}
