// The types of activities: the platform’s, those that were registered, and those that merely came in.

import { useState } from 'react';
import { IconPlus } from '@tabler/icons-react';
import { fieldsOf, restOf } from '../../api.ts';
import { useGet, useInvalidate, useSend } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { ActivityType } from '../../types.ts';
import { Badge } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { CheckField, TextField } from '../../ui/field.tsx';
import { ACTIONS, Table, type Column } from '../../ui/table.tsx';
import { toast } from '../../ui/toast.tsx';
import { ActivitiesHead } from './head.tsx';

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
      <ActivitiesHead>
        {application.canWrite && (
          <Button look="primary" icon={<IconPlus size={16} aria-hidden />} onClick={() => setCreating('')}>
            New type
          </Button>
        )}
      </ActivitiesHead>
      <section className="card" aria-label="Types of activities">
        <Table columns={COLUMNS} rows={rows} of={types} empty={null}>
          {(one) => (
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
          )}
        </Table>
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

const COLUMNS: Column[] = [
  { head: 'Type', skeleton: '50%' },
  { head: 'Sent by', skeleton: 120 },
  { head: 'Source', skeleton: 70 },
  ACTIONS,
];

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
      action="Register it"
      busy={create.isPending}
      problem={rest}
    >
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
    </Dialog>
  );
}
