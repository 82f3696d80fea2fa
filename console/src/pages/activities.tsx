// Activities: as they come in, their types, and a form that sends one to try things out.

import { useEffect, useRef, useState } from 'react';
import { IconActivity, IconPlayerPause, IconPlayerPlay, IconPlus, IconSend } from '@tabler/icons-react';
import { fieldsOf, messageOf, restOf, type FieldErrors } from '../api.ts';
import { useGet, useInvalidate, useSend } from '../queries.ts';
import { fromLocalInput } from '../rules/value-input.tsx';
import { useProfileSearch } from '../search.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Activity, ActivityType } from '../types.ts';
import { Badge, Empty, Failed, SkeletonRows, Time } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { Combobox } from '../ui/combobox.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { CheckField, SelectField, TextArea, TextField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { ProfileName } from '../ui/profile-name.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { toast } from '../ui/toast.tsx';

function Head({ children }: { children?: React.ReactNode }) {
  const { href } = useApplication();
  return (
    <>
      <PageHead title="Activities" actions={children}>
        What fans do, as your apps and your back end tell it.
      </PageHead>
      <Tabs
        label="Activities"
        tabs={[
          { href: href('activities'), label: 'Live' },
          { href: href('activities/types'), label: 'Types' },
        ]}
      />
    </>
  );
}

interface Tail {
  next: string;
  results: Activity[];
}

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
  const [type, setType] = useState('');
  const types = useGet<{ results: ActivityType[] }>(useApplication().path('activity-types/'), {}, { staleMs: 60_000 });
  const { rows, error } = useTail(paused);
  const labels = new Map(types.data?.results.map((one) => [one.type, one.label]));
  const shown = rows?.filter((row) => type === '' || row.type === type);
  return (
    <>
      <Head>
        {canWrite && (
          <Button look="primary" icon={<IconSend size={16} aria-hidden />} onClick={() => setSending(true)}>
            Send a test activity
          </Button>
        )}
      </Head>
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
              onChange={(event) => setType(event.target.value)}
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
        {error !== undefined && !rows ? (
          <Failed error={error} />
        ) : shown?.length === 0 ? (
          <Empty
            icon={<IconActivity size={34} aria-hidden />}
            title={rows?.length === 0 ? 'Nothing yet' : 'None of this type among the newest'}
          >
            {rows?.length === 0
              ? 'Send activities from your apps with the SDK, from your back end with an admin token, or one by hand from here. They appear within two seconds.'
              : 'It stays empty until one comes in.'}
          </Empty>
        ) : (
          <div className="table-wrap">
            <table className="table fold">
              <thead>
                <tr>
                  <th scope="col">What</th>
                  <th scope="col">Profile</th>
                  <th scope="col" className="right">
                    Value
                  </th>
                  <th scope="col">Data</th>
                  <th scope="col" className="right">
                    Received
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown ? (
                  shown.map((row) => (
                    <tr key={`${row.profile_id} ${row.id}`} className="arrives">
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
                  ))
                ) : (
                  <SkeletonRows widths={['60%', 110, 20, '70%', 80]} />
                )}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {sending && <SendActivity types={types.data?.results ?? []} onClose={() => setSending(false)} />}
    </>
  );
}

interface Accepted {
  accepted: number;
  duplicates: number;
  rejected: { index: number; id: string | null; errors: FieldErrors }[];
}

function SendActivity({ types, onClose }: { types: ActivityType[]; onClose: () => void }) {
  const application = useApplication();
  const [profile, setProfile] = useState<{ id: string; label: string } | undefined>(undefined);
  const [search, setSearch] = useState('');
  const [fields, setFields] = useState({ type: '', value: '1', data: '', occurred: '' });
  const [errors, setErrors] = useState<FieldErrors>({});
  const found = useProfileSearch(search);
  const set = (changes: Partial<typeof fields>): void => setFields((before) => ({ ...before, ...changes }));
  const send = useSend<object, Accepted>((client, activity) =>
    client.request(application.path('activities/'), { method: 'POST', body: { activities: [activity] } }),
  );

  const submit = (): void => {
    const problems: FieldErrors = {};
    if (!profile) problems['profile_id'] = ['Whose activity is it? Search for the profile and choose it.'];
    if (fields.type === '') problems['type'] = ['What did they do?'];
    let data: unknown;
    try {
      data = fields.data.trim() === '' ? undefined : (JSON.parse(fields.data) as unknown);
    } catch {
      problems['data'] = ['This is not JSON. For example: {"level": 3}'];
    }
    setErrors(problems);
    if (Object.keys(problems).length > 0) return;
    const occurred = fromLocalInput(fields.occurred);
    const activity = {
      id: `console-${crypto.randomUUID?.() ?? String(Date.now())}`,
      type: fields.type,
      profile_id: profile?.id,
      value: Number(fields.value),
      ...(data !== undefined && { data }),
      ...(occurred !== undefined && { occurred_at: occurred }),
    };
    send.mutate(activity, {
      onSuccess: (answer) => {
        const [rejected] = answer.rejected;
        if (rejected) return setErrors(rejected.errors);
        toast('The activity was accepted. Groups that it concerns follow within a second.');
        onClose();
      },
    });
  };
  const known = ['profile_id', 'custom_id', 'type', 'value', 'data', 'occurred_at'];
  const others = Object.entries(errors).filter(
    ([field]) => !known.some((one) => field === one || field.startsWith(`${one}.`)),
  );
  const dataErrors = Object.entries(errors)
    .filter(([field]) => field === 'data' || field.startsWith('data.'))
    .flatMap(([, messages]) => messages);
  return (
    <Dialog
      title="Send a test activity"
      onClose={onClose}
      onSubmit={submit}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={send.isPending}>
            Send it
          </Button>
        </>
      }
    >
      <div className="stack">
        <div className="field">
          <span className="label">Profile</span>
          <Combobox
            label="Profile"
            value={profile?.id ?? ''}
            fallback={profile?.label ?? ''}
            placeholder="Nickname, id or custom id"
            options={(found.data ?? []).map((one) => ({
              value: one.id,
              label: one.nickname,
              ...(one.custom_id !== null && { hint: one.custom_id }),
            }))}
            onSearch={setSearch}
            onChange={(id) => setProfile({ id, label: found.data?.find((one) => one.id === id)?.nickname ?? id })}
            invalid={errors['profile_id'] !== undefined}
          />
          {errors['profile_id'] && (
            <p className="error" role="alert">
              {errors['profile_id'].join(' ')}
            </p>
          )}
        </div>
        <div className="form-grid">
          <SelectField
            label="Type"
            value={fields.type}
            errors={errors['type']}
            onChange={(event) => set({ type: event.target.value })}
          >
            <option value="">Choose…</option>
            {types.map((one) => (
              <option key={one.type} value={one.type}>
                {one.label}
              </option>
            ))}
          </SelectField>
          <TextField
            label="Value"
            inputMode="numeric"
            hint="What sums add up."
            value={fields.value}
            errors={errors['value']}
            onChange={(event) => set({ value: event.target.value })}
          />
        </div>
        <TextField
          label="When"
          type="datetime-local"
          hint="Empty: now. The past is free."
          value={fields.occurred}
          errors={errors['occurred_at']}
          onChange={(event) => set({ occurred: event.target.value })}
        />
        <TextArea
          label="Data"
          className="mono short"
          rows={3}
          hint='Optional JSON, such as {"direction": "upgraded"}.'
          value={fields.data}
          errors={dataErrors}
          onChange={(event) => set({ data: event.target.value })}
        />
        {(others.length > 0 || send.error) && (
          <p className="form-error" role="alert">
            {others.map(([field, messages]) => `${field}: ${messages.join(' ')}`).join(' ')}{' '}
            {send.error && messageOf(send.error)}
          </p>
        )}
      </div>
    </Dialog>
  );
}

export function ActivityTypesPage() {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const path = application.path('activity-types/');
  const types = useGet<{ results: ActivityType[] }>(path);
  const seen = useGet<{ results: ActivityType[] }>(path, { registered: 'false' });
  const [creating, setCreating] = useState<string | undefined>(undefined);
  const [removing, setRemoving] = useState<ActivityType | undefined>(undefined);
  const rows = types.data && [
    ...types.data.results.filter((one) => one.source === 'custom'),
    ...(seen.data?.results ?? []),
    ...types.data.results.filter((one) => one.source !== 'custom'),
  ];
  return (
    <>
      <Head>
        {application.canWrite && (
          <Button look="primary" icon={<IconPlus size={16} aria-hidden />} onClick={() => setCreating('')}>
            New type
          </Button>
        )}
      </Head>
      <section className="card" aria-label="Types of activities">
        {types.isError && !rows ? (
          <Failed error={types.error} retry={() => void types.refetch()} />
        ) : (
          <div className="table-wrap">
            <table className="table fold">
              <thead>
                <tr>
                  <th scope="col">Type</th>
                  <th scope="col">Sent by</th>
                  <th scope="col">Source</th>
                  <th scope="col" className="fit">
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {rows ? (
                  rows.map((one) => (
                    <tr key={one.type}>
                      <td>
                        <span className="name">{one.label}</span>
                        <div className="muted small mono name">{one.type}</div>
                      </td>
                      <td className="fit">{one.client ? 'fans’ apps and back ends' : 'back ends'}</td>
                      <td className="fit">
                        {one.source === 'platform' ? (
                          <Badge>Platform</Badge>
                        ) : one.registered ? (
                          <Badge tone="good">Your own</Badge>
                        ) : (
                          <Badge tone="warn" title="A back end sent it; nobody registered it.">
                            Seen
                          </Badge>
                        )}
                      </td>
                      <td className="fit">
                        {application.canWrite && one.source === 'custom' && one.registered && (
                          <Button small danger onClick={() => setRemoving(one)}>
                            Unregister…
                          </Button>
                        )}
                        {application.canWrite && !one.registered && (
                          <Button small onClick={() => setCreating(one.type)}>
                            Register…
                          </Button>
                        )}
                      </td>
                    </tr>
                  ))
                ) : (
                  <SkeletonRows widths={['50%', 120, 70, 60]} />
                )}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {creating !== undefined && <NewType type={creating} onClose={() => setCreating(undefined)} />}
      {removing && (
        <Confirm
          title={`Unregister “${removing.label}”?`}
          action="Unregister"
          onClose={() => setRemoving(undefined)}
          run={async () => {
            await client.request(`${path}${removing.type}/`, { method: 'DELETE' });
            await invalidate(path);
            toast(`“${removing.label}” was unregistered.`, () =>
              client
                .request(path, {
                  method: 'POST',
                  body: { type: removing.type, label: removing.label, client: removing.client },
                })
                .then(() => invalidate(path)),
            );
          }}
        >
          Fans’ apps can no longer send it. Its activities and what is derived from them stay.
        </Confirm>
      )}
    </>
  );
}

function NewType({ type, onClose }: { type: string; onClose: () => void }) {
  const application = useApplication();
  const [fields, setFields] = useState({ type, label: '', client: false });
  const create = useSend<undefined, ActivityType>(
    (client) =>
      client.request(application.path('activity-types/'), {
        method: 'POST',
        body: { type: fields.type, ...(fields.label.trim() !== '' && { label: fields.label }), client: fields.client },
      }),
    () => [application.path('activity-types/')],
  );
  const errors = fieldsOf(create.error);
  const rest = restOf(create.error, ['type', 'label', 'client']);
  return (
    <Dialog
      title="New type of activity"
      onClose={onClose}
      onSubmit={() =>
        create.mutate(undefined, {
          onSuccess: (made) => {
            toast(`“${made.label}” is registered.`);
            onClose();
          },
        })
      }
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={create.isPending}>
            Register it
          </Button>
        </>
      }
    >
      <div className="stack">
        <TextField
          label="Type"
          className="mono"
          hint="Small letters, digits and hyphens, such as goal-celebrated."
          value={fields.type}
          errors={errors['type']}
          autoFocus
          onChange={(event) => setFields({ ...fields, type: event.target.value })}
        />
        <TextField
          label="Label"
          hint="How people call it."
          value={fields.label}
          errors={errors['label']}
          onChange={(event) => setFields({ ...fields, label: event.target.value })}
        />
        <CheckField
          label="Fans’ apps may send it"
          hint="Each fan for themselves. Leave it off for whatever is worth something."
          checked={fields.client}
          onChange={(event) => setFields({ ...fields, client: event.target.checked })}
        />
        {rest && (
          <p className="form-error" role="alert">
            {rest}
          </p>
        )}
      </div>
    </Dialog>
  );
}
