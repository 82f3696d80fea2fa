// How many the rule would have found before: a line under the count, asked for once that is there.

import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import { messageOf } from '../api.ts';
import { formatNumber } from '../format.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Preview } from '../types.ts';
import { Skeleton } from '../ui/bits.tsx';
import { Chart } from '../ui/charts.tsx';

type History = NonNullable<Preview['history']>;

const DAYS = 90;
const HEIGHT = 120;
/** Days come as dates of the application's zone, and are shown as they are. */
const dayText = new Intl.DateTimeFormat(navigator.language, { day: 'numeric', month: 'short', timeZone: 'UTC' });
const formatDay = (day: string): string => dayText.format(new Date(day));

/** `tree`: the rule as JSON, of which `asOf` is known how many it finds now. */
export function PastSizes({ tree, asOf }: { tree: string; asOf: string | undefined }) {
  const { client } = useSession();
  const path = useApplication().path('profile-groups/preview/');
  const query = useQuery<History>({
    queryKey: [path, tree, 'history'],
    queryFn: async ({ signal }) => {
      const body = { rule_tree: JSON.parse(tree) as unknown, history: { days: DAYS } };
      const answer = await client.request<Preview>(path, {
        method: 'POST',
        body,
        signal,
        reads: true,
        timeout: 60_000,
      });
      return answer.history ?? [];
    },
    enabled: asOf !== undefined,
    placeholderData: (before) => before,
    staleTime: 60_000,
  });
  const history = query.data;
  const isStale = asOf === undefined || query.isPlaceholderData;
  return (
    <section className="pad past" aria-labelledby="past-heading" aria-busy={isStale || !history}>
      <h3 id="past-heading">The last {DAYS} days</h3>
      {query.isError && !isStale ? (
        <p className="muted small">{messageOf(query.error)}</p>
      ) : history ? (
        <div className={isStale ? 'stale' : ''}>
          <Line history={history} />
        </div>
      ) : (
        <>
          <Skeleton width="100%" height={HEIGHT} />
          <Skeleton width={180} />
        </>
      )}
    </section>
  );
}

function Line({ history }: { history: History }) {
  const points = useMemo(
    () => history.map(({ day, size }) => ({ at: new Date(day).getTime(), value: size })),
    [history],
  );
  const [first, last] = [history[0], history.at(-1)];
  if (!first || !last) return null;
  const most = history.reduce((a, b) => (b.size > a.size ? b : a));
  const least = history.reduce((a, b) => (b.size < a.size ? b : a));
  return (
    <>
      <Chart label="Matches at the end of each day" noun="matched" points={points} height={HEIGHT} />
      <p className="muted small">
        {most.size === least.size ? (
          <>Always {formatNumber(most.size)}.</>
        ) : (
          <>
            At most {formatNumber(most.size)} ({formatDay(most.day)}), at least {formatNumber(least.size)} (
            {formatDay(least.day)}).
          </>
        )}
      </p>
      <details>
        <summary className="small">Day by day</summary>
        {/* Scrolled by keyboard too, hence a stop of the Tab key. */}
        <div className="past-days" tabIndex={0} role="region" aria-label="Matches at the end of each day">
          <table>
            <thead>
              <tr>
                <th scope="col">Day</th>
                <th scope="col" className="number">
                  Matches
                </th>
              </tr>
            </thead>
            <tbody>
              {[...history].reverse().map(({ day, size }) => (
                <tr key={day}>
                  <th scope="row">
                    <time dateTime={day}>{formatDay(day)}</time>
                  </th>
                  <td className="number">{formatNumber(size)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
      <p className="faint small">By activities as they were then, and attributes as they are now.</p>
    </>
  );
}
