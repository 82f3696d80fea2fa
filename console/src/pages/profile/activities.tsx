// What a profile did: how much on each day, and the newest of it as a readable list.

import { useMemo, useState } from 'react';
import { IconActivity } from '@tabler/icons-react';
import type { ActivityCounts } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { millis, plural } from '../../format.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Activity, ActivityType, Page, Profile } from '../../types.ts';
import { Empty, Failed, Skeleton } from '../../ui/bits.tsx';
import { Chart, type Point } from '../../ui/charts.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Choices, SelectField } from '../../ui/field.tsx';
import { Pager } from '../../ui/pager.tsx';
import { toast } from '../../ui/toast.tsx';
import { useViewParams } from '../../view-params.ts';
import { Timeline } from './timeline.tsx';

const DAY = 86_400_000;
const PAGE_SIZE = 20;

const NONE: ActivityType[] = [];

export function useActivityTypes(): ActivityType[] {
  const { path } = useApplication();
  const types = useGet<{ results: ActivityType[] }>(path('activity-types/'), {}, { staleMs: 60_000 });
  return types.data?.results ?? NONE;
}

/** What types are called; until that is known, and where nothing calls them otherwise, by their keys. */
export function useTypeLabels(): (type: string) => string {
  const types = useActivityTypes();
  const labels = useMemo(() => new Map(types.map((one) => [one.type, one.label])), [types]);
  return (type) => labels.get(type) ?? type;
}

export function ProfileActivities({ profile }: { profile: Profile }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const types = useActivityTypes();
  const labelOf = useTypeLabels();
  const [params, set] = useViewParams();
  const type = params.get('type') ?? '';
  const cursor = params.get('cursor') ?? '';
  const [removing, setRemoving] = useState<Activity | undefined>(undefined);
  const address = application.path(`profiles/${profile.id}/activities/`);
  const activities = useGet<Page<Activity>>(address, { type, cursor, page_size: PAGE_SIZE }, { every: 10_000 });
  const rows = activities.data?.results;
  return (
    <section className="card" aria-labelledby="activities-heading">
      <div className="card-head">
        <h2 id="activities-heading">Activity</h2>
        <SelectField
          label="Type of activity"
          hideLabel
          value={type}
          onChange={(event) => set({ type: event.target.value })}
        >
          <option value="">All types</option>
          {types.map((one) => (
            <option key={one.type} value={one.type}>
              {one.label}
            </option>
          ))}
        </SelectField>
      </div>
      {(rows?.length !== 0 || type !== '') && (
        <OverTime address={application.path(`profiles/${profile.id}/activity-counts/`)} type={type} />
      )}
      {activities.isError && !rows ? (
        <Failed error={activities.error} retry={() => void activities.refetch()} />
      ) : rows?.length === 0 ? (
        type === '' ? (
          <Empty icon={<IconActivity size={30} aria-hidden />} title="Nothing yet">
            What this fan does in your apps appears here: comments, votes, quests, whatever you send.
          </Empty>
        ) : (
          <p className="pad muted">None of this type.</p>
        )
      ) : (
        <Timeline rows={rows} labelOf={labelOf} onRemove={setRemoving} />
      )}
      {activities.data && (
        <Pager page={activities.data} noun="activity" plural="activities" onCursor={(next) => set({ cursor: next })} />
      )}
      {removing && (
        <Confirm
          title="Remove this activity?"
          action="Remove it"
          onClose={() => setRemoving(undefined)}
          run={async () => {
            await client.request(`${address}${encodeURIComponent(removing.id)}/?sent_by=${removing.sent_by}`, {
              method: 'DELETE',
            });
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

type Period = '30d' | '90d' | '1y';
const PERIODS: Record<Period, number> = { '30d': 30, '90d': 90, '1y': 365 };

/** Activities a day, however many there are. */
function OverTime({ address, type }: { address: string; type: string }) {
  const [params, set] = useViewParams();
  const asked = params.get('period');
  const period: Period = asked !== null && asked in PERIODS ? (asked as Period) : '30d'; // one of its keys
  const since = new Date((Math.floor(Date.now() / DAY) - PERIODS[period] + 1) * DAY).toISOString();
  const counts = useGet<ActivityCounts>(address, { interval: 'day', since, type }, { every: 30_000 });
  const results = counts.data?.results;
  const points = useMemo<Point[]>(
    () => (results ?? []).map(({ at, count }) => ({ at: millis(at), value: count })),
    [results],
  );
  const total = points.reduce((sum, { value }) => sum + value, 0);
  return (
    <div className="pad over-time">
      <div className="row wrap spread">
        <span className="muted small numeric">
          {results && `${plural(total, 'activity', 'activities')} in this period`}
        </span>
        <Choices<Period>
          label="Period"
          value={period}
          onChange={(next) => set({ period: next === '30d' ? '' : next })}
          choices={[
            { value: '30d', label: '30 days' },
            { value: '90d', label: '90 days' },
            { value: '1y', label: 'Year' },
          ]}
        />
      </div>
      {counts.isError && !results ? (
        <p className="muted">{messageOf(counts.error)}</p>
      ) : results ? (
        <Chart label="Activities a day" noun="activities" kind="bars" height={120} points={points} />
      ) : (
        <Skeleton width="100%" height={120} />
      )}
    </div>
  );
}
