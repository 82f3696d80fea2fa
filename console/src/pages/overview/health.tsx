// Whether dynamic groups are right: up to when, what still waits, and what the last comparison found.

import { IconAlertTriangle, IconCheck } from '@tabler/icons-react';
import type { Statistics } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { formatMoment, formatNumber, formatSpan, millis, plural } from '../../format.ts';
import { useApplication } from '../../session.tsx';
import { Badge, Skeleton, Time, type Tone } from '../../ui/bits.tsx';

const FRESH_MS = 5_000;
const LATE_MS = 300_000;

/** How far behind the membership is, by the server's own clock. */
function lagOf({ measured_at: measured, evaluation }: Statistics): number | undefined {
  return evaluation.as_of === null ? undefined : Math.max(0, millis(measured) - millis(evaluation.as_of));
}

function freshness(statistics: Statistics): { tone: Tone; text: string } {
  const lag = lagOf(statistics);
  if (statistics.groups.dynamic === 0) return { tone: 'plain', text: 'No dynamic groups' };
  if (lag === undefined) return { tone: 'info', text: 'Not evaluated yet' };
  if (lag < FRESH_MS) return { tone: 'good', text: 'Up to date' };
  return { tone: lag < LATE_MS ? 'info' : 'warn', text: `${formatSpan(lag)} behind` };
}

export function FreshnessBadge({ statistics }: { statistics: Statistics }) {
  const { tone, text } = freshness(statistics);
  const { as_of: asOf } = statistics.evaluation;
  return (
    <Badge tone={tone} dot={tone !== 'plain'} title={asOf ? `Groups are right up to ${formatMoment(asOf)}` : undefined}>
      {text}
    </Badge>
  );
}

export function Health({ statistics }: { statistics: Statistics | undefined }) {
  return (
    <section className="card" aria-labelledby="health-heading">
      <div className="card-head">
        <h2 id="health-heading">Health of evaluation</h2>
        {statistics && <Doing statistics={statistics} />}
      </div>
      {statistics ? <Facts statistics={statistics} /> : <Loading />}
    </section>
  );
}

/** What stands out, if anything does. */
function Doing({ statistics: { evaluation } }: { statistics: Statistics }) {
  const { href } = useApplication();
  const { filling, failed, paused } = evaluation;
  if (filling + failed + paused === 0) return null;
  return (
    <Link href={href('groups?type=dynamic')} className="row wrap">
      {failed > 0 && <Badge tone="bad">{plural(failed, 'group')} failed</Badge>}
      {filling > 0 && <Badge tone="info">{formatNumber(filling)} filling</Badge>}
      {paused > 0 && <Badge tone="warn">{formatNumber(paused)} paused</Badge>}
    </Link>
  );
}

function Facts({ statistics }: { statistics: Statistics }) {
  const { as_of: asOf, queue, verification } = statistics.evaluation;
  const wrong = verification ? verification.missing + verification.extra : 0;
  return (
    <dl className="health">
      <div>
        <dt>Freshness</dt>
        <dd>
          <strong>{freshness(statistics).text}</strong>
          <span>
            {asOf ? <>Groups are right up to {<Time at={asOf} />}</> : 'Dynamic groups follow within a second.'}
          </span>
        </dd>
      </div>
      <div>
        <dt>Queue</dt>
        <dd>
          <strong className="numeric">{queue.count === 0 ? 'Empty' : plural(queue.count, 'change')}</strong>
          <span>
            {queue.oldest_at ? (
              <>
                The oldest waits since <Time at={queue.oldest_at} ago every={1_000} />
              </>
            ) : (
              'Nothing waits to be evaluated.'
            )}
          </span>
        </dd>
      </div>
      <div>
        <dt>Last verification</dt>
        <dd>
          {verification === null ? (
            <>
              <strong>Not yet</strong>
              <span>Every group is compared with the raw activities once a night.</span>
            </>
          ) : (
            <>
              <strong className={wrong === 0 ? 'good' : 'bad'}>
                {wrong === 0 ? <IconCheck size={16} aria-hidden /> : <IconAlertTriangle size={16} aria-hidden />}
                {wrong === 0 ? 'No difference' : plural(wrong, 'difference')}
              </strong>
              <span>
                {plural(verification.checked, 'membership')} in {plural(verification.groups, 'group')},{' '}
                <Time at={verification.at} ago />
              </span>
            </>
          )}
        </dd>
      </div>
    </dl>
  );
}

function Loading() {
  return (
    <dl className="health">
      {['Freshness', 'Queue', 'Last verification'].map((name) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Skeleton width="50%" height={14} />
            <Skeleton width="80%" />
          </dd>
        </div>
      ))}
    </dl>
  );
}
