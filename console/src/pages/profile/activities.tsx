import { useMemo, useState } from 'react';
import { IconActivity, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { readAll, useGet, useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Activity, ActivityType, Page, Profile } from '../../types.ts';
import { Empty, Failed, SkeletonRows, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Chart, type Point } from '../../ui/charts.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { SelectField } from '../../ui/field.tsx';
import { Pager } from '../../ui/pager.tsx';
import { toast } from '../../ui/toast.tsx';

const DAY = 86_400_000;
const MAX_CHARTED = 500;

export function useActivityTypes(): ActivityType[] {
  const { path } = useApplication();
  const types = useGet<{ results: ActivityType[] }>(path('activity-types/'), {}, { staleMs: 60_000 });
  return types.data?.results ?? [];
}

export function ProfileActivities({ profile }: { profile: Profile }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const types = useActivityTypes();
  const [type, setType] = useState('');
  const [cursor, setCursor] = useState('');
  const [removing, setRemoving] = useState<Activity | undefined>(undefined);
  const address = application.path(`profiles/${profile.id}/activities/`);
  const activities = useGet<Page<Activity>>(address, { type, cursor, page_size: 10 }, { every: 10_000 });
  const rows = activities.data?.results;
  return (
    <section className="card" aria-labelledby="activities-heading">
      <div className="card-head">
        <h2 id="activities-heading">Activity</h2>
        <SelectField
          label="Type of activity"
          hideLabel
          value={type}
          onChange={(event) => {
            setType(event.target.value);
            setCursor('');
          }}
        >
          <option value="">All types</option>
          {types.map((one) => (
            <option key={one.type} value={one.type}>
              {one.label}
            </option>
          ))}
        </SelectField>
      </div>
      {activities.isError && !rows ? (
        <Failed error={activities.error} retry={() => void activities.refetch()} />
      ) : rows?.length === 0 && type === '' ? (
        <Empty icon={<IconActivity size={30} aria-hidden />} title="Nothing yet">
          What this fan does in your apps appears here: comments, votes, quests, whatever you send.
        </Empty>
      ) : (
        <>
          <OverTime address={address} type={type} />
          <div className="table-wrap">
            <table className="table fold">
              <thead>
                <tr>
                  <th scope="col">What</th>
                  <th scope="col" className="right">
                    Value
                  </th>
                  <th scope="col">Data</th>
                  <th scope="col" className="right">
                    When
                  </th>
                  {application.canWrite && (
                    <th scope="col" className="fit">
                      <span className="visually-hidden">Actions</span>
                    </th>
                  )}
                </tr>
              </thead>
              <tbody>
                {rows ? (
                  rows.map((row) => (
                    <tr key={row.id}>
                      <td title={row.id}>{types.find((one) => one.type === row.type)?.label ?? row.type}</td>
                      <td className="fit right numeric">{row.value}</td>
                      <td className="wide cell-data">
                        <code className="truncate small" title={row.data ? JSON.stringify(row.data) : undefined}>
                          {row.data ? JSON.stringify(row.data) : ''}
                        </code>
                      </td>
                      <td className="fit right muted">
                        <Time at={row.occurred_at} ago />
                      </td>
                      {application.canWrite && (
                        <td className="fit">
                          <Button
                            look="quiet"
                            small
                            danger
                            iconOnly
                            icon={<IconTrash size={15} aria-hidden />}
                            onClick={() => setRemoving(row)}
                          >
                            Remove this activity
                          </Button>
                        </td>
                      )}
                    </tr>
                  ))
                ) : (
                  <SkeletonRows rows={5} widths={['50%', 20, '60%', 80]} />
                )}
                {rows?.length === 0 && (
                  <tr>
                    <td colSpan={5} className="muted">
                      None of this type.
                    </td>
                  </tr>
                )}
              </tbody>
            </table>
          </div>
          {activities.data && <Pager page={activities.data} noun="activity" plural="activities" onCursor={setCursor} />}
        </>
      )}
      {removing && (
        <Confirm
          title="Remove this activity?"
          action="Remove it"
          onClose={() => setRemoving(undefined)}
          run={async () => {
            await client.request(`${address}${encodeURIComponent(removing.id)}/`, { method: 'DELETE' });
            await invalidate(application.path(`profiles/${profile.id}/`));
            const { received_at: _received, ...again } = removing;
            toast('The activity was removed, with its effects.', () =>
              client
                .request(application.path('activities/'), {
                  method: 'POST',
                  body: { activities: [{ ...again, ...(again.data === null && { data: undefined }) }] },
                })
                .then(() => invalidate(application.path(`profiles/${profile.id}/`))),
            );
          }}
        >
          As if it had never been sent: counts, sums and groups follow.
        </Confirm>
      )}
    </section>
  );
}

/** Activities a day over the last thirty, of the newest few hundred. */
function OverTime({ address, type }: { address: string; type: string }) {
  const { client } = useSession();
  const start = Math.floor(Date.now() / DAY) * DAY - 29 * DAY;
  const since = new Date(start).toISOString();
  const recent = useQuery({
    queryKey: [address, 'over time', type, since],
    queryFn: () => readAll<Activity>(client, address, { type, since, page_size: 100, count: false }, MAX_CHARTED),
    placeholderData: (before) => before,
    staleTime: 30_000,
  });
  const points = useMemo<Point[]>(() => {
    const days = new Map<number, number>();
    for (const { occurred_at } of recent.data ?? []) {
      const day = Math.floor(Date.parse(occurred_at) / DAY) * DAY;
      days.set(day, (days.get(day) ?? 0) + 1);
    }
    return Array.from({ length: 30 }, (_, index) => ({
      at: start + index * DAY,
      value: days.get(start + index * DAY) ?? 0,
    }));
  }, [recent.data, start]);
  return (
    <div className="pad">
      <Chart label="Activities a day" noun="activities" kind="bars" height={120} points={points} />
      {(recent.data?.length ?? 0) >= MAX_CHARTED && <p className="faint small">Drawn from the newest {MAX_CHARTED}.</p>}
    </div>
  );
}
