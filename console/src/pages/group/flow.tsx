// Who came and went: entries above a line and leaves below it, by what caused them, and the same as a table.

import { useId, useMemo, useState } from 'react';
import type { Flow } from '@grandstand/sdk/server';
import { formatDateUtc, formatNumber, formatUtc, millis, plural } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Failed, Skeleton } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { CAUSES } from './changes.tsx';

type Side = 'entered' | 'left';
type Step = { at: string } & Record<Side, number>;
type Causes = [label: string, count: number][];

const COLUMNS: Column[] = [
  { head: 'When (UTC)', skeleton: 90 },
  { head: 'Entered', skeleton: 30, className: 'right' },
  { head: 'Left', skeleton: 30, className: 'right' },
  { head: 'Why', skeleton: '60%' },
];

interface GroupFlowProps {
  group: Group;
  interval: 'hour' | 'day';
  since: string;
  every: number;
}

export function GroupFlow({ group, interval, since, every }: GroupFlowProps) {
  const { path } = useApplication();
  const flow = useGet<Flow>(
    path(`profile-groups/${group.id}/flow/`),
    { interval, since },
    { every, keep: false }, // of another interval it would be read wrongly
  );
  const [asTable, setAsTable] = useState(false);
  const rows = flow.data?.results;
  const steps = useMemo(() => flow.data && stepsOf(flow.data), [flow.data]);
  const moved = steps?.filter(({ entered, left }) => entered + left > 0).reverse();
  return (
    <section className="card" aria-labelledby="flow-heading">
      <div className="card-head">
        <h2 id="flow-heading">Who came and went</h2>
        {moved && moved.length > 0 && (
          <Button small aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            As a table
          </Button>
        )}
      </div>
      {flow.isError && !rows ? (
        <Failed error={flow.error} retry={() => void flow.refetch()} />
      ) : !rows || !steps || !moved ? (
        <div className="pad">
          <Skeleton width="100%" height={150} />
        </div>
      ) : moved.length === 0 ? (
        <p className="pad muted">Nobody entered or left in this period.</p>
      ) : asTable ? (
        <Table columns={COLUMNS} rows={moved} of={flow} empty={null} folds={false}>
          {(step) => (
            <tr key={step.at}>
              <td className="fit numeric">{formatUtc(step.at, interval)}</td>
              <td className="fit right numeric">{formatNumber(step.entered)}</td>
              <td className="fit right numeric">{formatNumber(step.left)}</td>
              <td className="wide muted">{why(rows, step)}</td>
            </tr>
          )}
        </Table>
      ) : (
        <div className="pad flow">
          <Picture steps={steps} interval={interval} />
          <dl className="flow-causes">
            <Side name="Entered" causes={causesOf(rows, 'entered')} />
            <Side name="Left" causes={causesOf(rows, 'left')} />
          </dl>
        </div>
      )}
    </section>
  );
}

const STEP = { hour: 3_600_000, day: 86_400_000 };

/** Each hour or day of the range with all that happened in it. */
function stepsOf({ interval, since, until, results }: Flow): Step[] {
  const found = new Map<number, Step>();
  for (let at = millis(since); at < millis(until); at += STEP[interval])
    found.set(at, { at: new Date(at).toISOString(), entered: 0, left: 0 });
  for (const row of results) {
    const step = found.get(millis(row.at));
    if (!step) continue;
    step.entered += row.entered;
    step.left += row.left;
  }
  return [...found.values()];
}

/** By cause, the most first. */
function causesOf(rows: Flow['results'], side: Side): Causes {
  const found = new Map<string, number>();
  for (const { cause, [side]: count } of rows) {
    const label = cause === null ? 'before causes were counted' : (CAUSES[cause] ?? cause);
    if (count > 0) found.set(label, (found.get(label) ?? 0) + count);
  }
  return [...found].sort(([, a], [, b]) => b - a);
}

function why(rows: Flow['results'], step: Step): string {
  const own = rows.filter((row) => millis(row.at) === millis(step.at));
  const said = (side: Side): string =>
    causesOf(own, side)
      .map(([label, count]) => `${formatNumber(count)} ${side} ${label}`)
      .join(', ');
  return [said('entered'), said('left')].filter(Boolean).join('; ');
}

function Side({ name, causes }: { name: string; causes: Causes }) {
  const most = Math.max(1, ...causes.map(([, count]) => count));
  return (
    <div>
      <dt>
        {name} <span className="numeric muted">{formatNumber(causes.reduce((sum, [, count]) => sum + count, 0))}</span>
      </dt>
      {causes.length === 0 && <dd className="muted">nobody</dd>}
      {causes.map(([label, count]) => (
        <dd key={label}>
          <span>{label}</span>
          <span className="flow-bar" aria-hidden>
            <span className={name === 'Left' ? 'left' : undefined} style={{ inlineSize: `${(count / most) * 100}%` }} />
          </span>
          <span className="numeric">{formatNumber(count)}</span>
        </dd>
      ))}
    </div>
  );
}

const HALF = 60;

function Picture({ steps, interval }: { steps: Step[]; interval: 'hour' | 'day' }) {
  const id = useId();
  const most = Math.max(1, ...steps.map(({ entered, left }) => Math.max(entered, left)));
  const total = (side: Side): number => steps.reduce((sum, step) => sum + step[side], 0);
  const first = steps[0];
  const last = steps.at(-1);
  return (
    <figure className="flow-chart">
      <figcaption id={id} className="visually-hidden">
        {plural(total('entered'), 'profile')} entered and {formatNumber(total('left'))} left, at most{' '}
        {formatNumber(most)} in {interval === 'hour' ? 'an hour' : 'a day'}.
      </figcaption>
      <svg viewBox={`0 0 ${steps.length} ${2 * HALF}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
        {steps.map(({ at, entered, left }, place) => (
          <g key={at}>
            <title>{`${formatUtc(at, interval)}: ${formatNumber(entered)} entered, ${formatNumber(left)} left`}</title>
            <rect x={place} y={0} width={1} height={2 * HALF} fill="transparent" />
            <rect
              className="entered"
              x={place + 0.18}
              width={0.64}
              y={HALF - (entered / most) * HALF}
              height={(entered / most) * HALF}
            />
            <rect className="left" x={place + 0.18} width={0.64} y={HALF} height={(left / most) * HALF} />
          </g>
        ))}
        <line x1={0} x2={steps.length} y1={HALF} y2={HALF} vectorEffect="non-scaling-stroke" />
      </svg>
      {first && last && (
        <div className="row spread faint small numeric" aria-hidden>
          <span>{formatDateUtc(first.at)}</span>
          <span>
            up to {formatNumber(most)} {interval === 'hour' ? 'an hour' : 'a day'}
          </span>
          <span>{formatDateUtc(last.at)}</span>
        </div>
      )}
    </figure>
  );
}
