// Who is counted and why: active, new and returning fans, how many stay, and profiles that were made by accident.

import { useState } from 'react';
import { IconDownload, IconUsers } from '@tabler/icons-react';
import type { Duplicates, Retention, Usage, UsageRow } from '@grandstand/sdk/server';
import { saveFile } from '../../files/download.tsx';
import { formatMoment, formatNumber, millis } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import { Empty, Failed, Skeleton } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Chart } from '../../ui/charts.tsx';
import { Choices } from '../../ui/field.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Stat } from '../../ui/stat.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { LimitNotice, LimitsCard } from './limits.tsx';

type Interval = Usage['interval'];

const utc = new Intl.DateTimeFormat(navigator.language, { timeZone: 'UTC', day: 'numeric', month: 'short' });
const utcMonth = new Intl.DateTimeFormat(navigator.language, { timeZone: 'UTC', month: 'short', year: 'numeric' });
const percent = new Intl.NumberFormat(navigator.language, { style: 'percent', maximumFractionDigits: 0 });

export default function UsagePage() {
  const [interval, setInterval] = useState<Interval>('day');
  const { path } = useApplication();
  const usage = useGet<Usage>(path('usage/'), { interval }, { every: 60_000 });
  const months = useGet<Usage>(path('usage/'), { interval: 'month' }, { every: 60_000 });
  return (
    <>
      <PageHead
        title="Usage"
        actions={
          <Button
            icon={<IconDownload size={16} aria-hidden />}
            disabled={!usage.data}
            onClick={() => usage.data && download(usage.data)}
          >
            Download CSV
          </Button>
        }
      >
        How many fans use your apps, as metered plans count them. Exact, in UTC.
      </PageHead>
      <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
        <LimitNotice />
        <Months usage={months.data} />
        <section className="card" aria-labelledby="usage-heading">
          <div className="card-head">
            <h2 id="usage-heading">Over time</h2>
            <Choices<Interval>
              label="Interval"
              value={interval}
              onChange={setInterval}
              choices={[
                { value: 'day', label: 'Days' },
                { value: 'week', label: 'Weeks' },
                { value: 'month', label: 'Months' },
              ]}
            />
          </div>
          {usage.isError && !usage.data ? (
            <Failed error={usage.error} retry={() => void usage.refetch()} />
          ) : (
            <Over rows={usage.data?.results} interval={interval} />
          )}
        </section>
        <LimitsCard />
        <RetentionCard />
        <DuplicatesCard />
      </div>
    </>
  );
}

/** This month beside the one before. */
function Months({ usage }: { usage: Usage | undefined }) {
  const now = usage?.results.at(-1);
  const before = usage?.results.at(-2);
  const figure = (of: 'active' | 'new' | 'returning' | 'active_30d', label: string) => (
    <Stat
      label={label}
      figure={now && formatNumber(now[of])}
      beside={before && `${formatNumber(before[of])} in ${utcMonth.format(millis(before.at))}`}
    />
  );
  return (
    <div className="stats">
      {figure('active', 'Active this month')}
      {figure('new', 'New this month')}
      {figure('returning', 'Returning this month')}
      {figure('active_30d', 'Active in 30 days')}
    </div>
  );
}

const label = (interval: Interval, at: string): string =>
  interval === 'month' ? utcMonth.format(millis(at)) : utc.format(millis(at));

const COLUMNS: Column[] = [
  { head: 'From', skeleton: 70 },
  { head: 'Active', skeleton: 50, className: 'right' },
  { head: 'New', skeleton: 50, className: 'right' },
  { head: 'Returning', skeleton: 50, className: 'right' },
  { head: 'Activities', skeleton: 60, className: 'right' },
  { head: 'Active in 30 days', skeleton: 60, className: 'right hide-phone' },
  { head: 'Profiles', skeleton: 60, className: 'right hide-phone' },
];

function Over({ rows, interval }: { rows: UsageRow[] | undefined; interval: Interval }) {
  return (
    <>
      <div className="pad">
        {rows ? (
          <Chart
            label="Active profiles"
            noun="active profiles"
            kind="bars"
            points={rows.map(({ at, active }) => ({ at: millis(at), value: active }))}
          />
        ) : (
          <Skeleton width="100%" height={200} />
        )}
      </div>
      <Table
        columns={COLUMNS}
        rows={rows?.toReversed().slice(0, 13)}
        of={{ error: undefined }}
        folds={false}
        empty={<Empty icon={<IconUsers size={34} aria-hidden />} title="Nothing to count yet" />}
      >
        {(row) => (
          <tr key={row.at}>
            <td>{label(interval, row.at)}</td>
            <td className="right numeric">{formatNumber(row.active)}</td>
            <td className="right numeric">{formatNumber(row.new)}</td>
            <td className="right numeric">{formatNumber(row.returning)}</td>
            <td className="right numeric">{formatNumber(row.activities)}</td>
            <td className="right numeric hide-phone">{formatNumber(row.active_30d)}</td>
            <td className="right numeric hide-phone">{formatNumber(row.total)}</td>
          </tr>
        )}
      </Table>
    </>
  );
}

function RetentionCard() {
  const retention = useGet<Retention>(useApplication().path('usage/retention/'), {}, { staleMs: 60_000 });
  const rows = retention.data?.results.filter(({ profiles }) => profiles > 0);
  const weeks = Math.max(0, ...(rows ?? []).map(({ active }) => active.length));
  return (
    <section className="card" aria-labelledby="retention-heading">
      <div className="card-head">
        <h2 id="retention-heading">Who stays</h2>
        <span className="muted small">
          Of the profiles created in a week, the share that was active 0, 1, 2 … weeks later
        </span>
      </div>
      <Table
        columns={[
          { head: 'Week', skeleton: 60 },
          { head: 'Created', skeleton: 40, className: 'right' },
          ...Array.from({ length: weeks }, (_, week): Column => ({
            head: String(week),
            skeleton: 30,
            className: 'right',
          })),
        ]}
        rows={rows}
        of={retention}
        folds={false}
        empty={
          <Empty icon={<IconUsers size={34} aria-hidden />} title="No profiles were created in the last twelve weeks" />
        }
      >
        {({ week, profiles, active }) => (
          <tr key={week}>
            <td>{utc.format(millis(week))}</td>
            <td className="right numeric">{formatNumber(profiles)}</td>
            {Array.from({ length: weeks }, (_, after) => {
              const count = active[after];
              return (
                <td
                  key={after}
                  className="right numeric"
                  style={
                    count === undefined
                      ? undefined
                      : {
                          background: `color-mix(in srgb, var(--accent) ${Math.round((count / profiles) * 45)}%, transparent)`,
                        }
                  }
                  title={count === undefined ? undefined : formatNumber(count)}
                >
                  {count === undefined ? '' : percent.format(count / profiles)}
                </td>
              );
            })}
          </tr>
        )}
      </Table>
    </section>
  );
}

function DuplicatesCard() {
  const duplicates = useGet<Duplicates>(useApplication().path('usage/duplicates/'), {}, { staleMs: 60_000 });
  const { data } = duplicates;
  const made = data?.results.slice(0, -1).reduce((sum, row) => sum + row.new, 0) ?? 0;
  const once = data?.results.slice(0, -1).reduce((sum, row) => sum + row.single_day, 0) ?? 0;
  const recovered = data?.results.reduce((sum, row) => sum + row.recovered, 0) ?? 0;
  return (
    <section className="card" aria-labelledby="duplicates-heading">
      <div className="card-head">
        <h2 id="duplicates-heading">Seen on one day only</h2>
        <span className="muted small">Profiles created in the last 30 days that were never active on a later day</span>
      </div>
      <div className="pad stack">
        {data ? (
          <>
            <p>{advice(made, once)}</p>
            {recovered > 0 && (
              <p className="muted small">
                Apps asked for {formatNumber(recovered)} more and got the profile that they had, by its device key.
              </p>
            )}
            <Chart
              label="Profiles never active on a later day"
              noun="profiles seen on one day only"
              kind="bars"
              points={data.results.map(({ at, single_day: value }) => ({ at: millis(at), value }))}
            />
          </>
        ) : duplicates.isError ? (
          <Failed error={duplicates.error} retry={() => void duplicates.refetch()} />
        ) : (
          <Skeleton width="100%" height={200} />
        )}
      </div>
      {data && data.bursts.length > 0 && (
        <Table
          columns={[
            { head: 'Hour', skeleton: 80 },
            { head: 'Network', skeleton: 80 },
            { head: 'Profiles created', skeleton: 50, className: 'right' },
            { head: 'Without any activity', skeleton: 50, className: 'right' },
          ]}
          rows={data.bursts}
          of={{ error: undefined }}
          folds={false}
          empty={null}
        >
          {(row) => (
            <tr key={`${row.at} ${row.network}`}>
              <td>{formatMoment(row.at)}</td>
              <td className="mono">{row.network}</td>
              <td className="right numeric">{formatNumber(row.profiles)}</td>
              <td className="right numeric">{formatNumber(row.without_activity)}</td>
            </tr>
          )}
        </Table>
      )}
    </section>
  );
}

function advice(made: number, once: number): string {
  if (made === 0) return 'No profiles were created in the last 30 days.';
  const share = once / made;
  const of = `${formatNumber(once)} of ${formatNumber(made)} profiles (${percent.format(share)})`;
  if (share < 0.3) return `${of} were seen on one day only. That is what fans who look once leave behind.`;
  return `${of} were seen on one day only. If that is more than you expect, an app may create a profile at each start: keep the access token, and pass it to init. Fans who sign in should come with a signed token, and identify() brings their anonymous profile along.`;
}

function download({ interval, results }: Usage): void {
  const columns = ['at', 'active', 'new', 'returning', 'activities', 'total', 'active_7d', 'active_30d'] as const;
  const lines = [columns.join(','), ...results.map((row) => columns.map((column) => row[column]).join(','))];
  saveFile(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }), `usage-by-${interval}.csv`);
}
