// Activities as they come in.

import { useEffect, useRef, useState } from 'react';
import { IconActivity, IconPlayerPause, IconPlayerPlay, IconSend } from '@tabler/icons-react';
import { useGet } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Activity, ActivityType } from '../../types.ts';
import { Badge, Empty, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { SelectField } from '../../ui/field.tsx';
import { ProfileName } from '../../ui/profile-name.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { ActivitiesHead } from './head.tsx';
import { SendActivity } from './send.tsx';

interface Tail {
  next: string;
  results: Activity[];
}

const COLUMNS: Column[] = [
  { head: 'What', skeleton: '60%' },
  { head: 'Profile', skeleton: 110 },
  { head: 'Value', skeleton: 20, className: 'right' },
  { head: 'Data', skeleton: '70%' },
  { head: 'Received', skeleton: 80, className: 'right' },
];

const KEPT = 100;
const EVERY_MS = 2_000;

/** The newest activities, and each new one within two seconds, until one pauses it. */
function useTail(paused: boolean): { rows: Activity[] | undefined; error: unknown } {
  const { client } = useSession();
  const { path } = useApplication();
  const [rows, setRows] = useState<Activity[] | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  const next = useRef<string | undefined>(undefined);
  const address = path('activities/');
  useEffect(() => {
    if (paused) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      try {
        const tail = await client.request<Tail>(next.current ?? address, {
          signal: stop.signal,
          ...(next.current === undefined && { query: { page_size: 50 } }),
        });
        next.current = tail.next;
        setError(undefined);
        setRows((before) => [...tail.results.toReversed(), ...(before ?? [])].slice(0, KEPT));
      } catch (reason) {
        if (stop.signal.aborted) return;
        setError(reason);
      }
      timer = setTimeout(() => void ask(), EVERY_MS);
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [client, address, paused]);
  return { rows, error };
}

export function ActivitiesPage() {
  const { canWrite } = useApplication();
  const [paused, setPaused] = useState(false);
  const [sending, setSending] = useState(false);
  const [params, set] = useViewParams();
  const type = params.get('type') ?? '';
  const types = useGet<{ results: ActivityType[] }>(useApplication().path('activity-types/'), {}, { staleMs: 60_000 });
  const { rows, error } = useTail(paused);
  const labels = new Map(types.data?.results.map((one) => [one.type, one.label]));
  const shown = rows?.filter((row) => type === '' || row.type === type);
  return (
    <>
      <ActivitiesHead>
        {canWrite && (
          <Button look="primary" icon={<IconSend size={16} aria-hidden />} onClick={() => setSending(true)}>
            Send a test activity
          </Button>
        )}
      </ActivitiesHead>
      <section className="card" aria-labelledby="tail-heading">
        <div className="card-head">
          <h2 id="tail-heading" className="row">
            As they come in{' '}
            {paused ? (
              <Badge tone="warn">Paused</Badge>
            ) : (
              <Badge tone="good" dot>
                Live
              </Badge>
            )}
          </h2>
          <div className="row wrap">
            <SelectField
              label="Type of activity"
              hideLabel
              value={type}
              onChange={(event) => set({ type: event.target.value })}
            >
              <option value="">All types</option>
              {types.data?.results.map((one) => (
                <option key={one.type} value={one.type}>
                  {one.label}
                </option>
              ))}
            </SelectField>
            <Button
              icon={paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
              onClick={() => setPaused(!paused)}
            >
              {paused ? 'Go on' : 'Pause'}
            </Button>
          </div>
        </div>
        <Table
          columns={COLUMNS}
          rows={shown}
          of={{ error }}
          empty={
            <Empty
              icon={<IconActivity size={34} aria-hidden />}
              title={rows?.length === 0 ? 'Nothing yet' : 'None of this type among the newest'}
            >
              {rows?.length === 0
                ? 'Send activities from your apps with the SDK, from your back end with an admin token, or one by hand from here. They appear within two seconds.'
                : 'It stays empty until one comes in.'}
            </Empty>
          }
        >
          {(row) => (
            <tr key={`${row.profile_id} ${row.sent_by} ${row.id}`} className="arrives">
              <td title={row.id}>{labels.get(row.type) ?? row.type}</td>
              <td className="fit">
                <ProfileName id={row.profile_id} />
              </td>
              <td className="fit right numeric hide-narrow">{row.value}</td>
              <td className="wide cell-data">
                <code className="truncate small" title={row.data ? JSON.stringify(row.data) : undefined}>
                  {row.data ? JSON.stringify(row.data) : ''}
                </code>
              </td>
              <td className="fit right muted">
                <Time at={row.received_at ?? row.occurred_at} ago every={5_000} />
              </td>
            </tr>
          )}
        </Table>
      </section>
      {sending && <SendActivity types={types.data?.results ?? []} onClose={() => setSending(false)} />}
    </>
  );
}
