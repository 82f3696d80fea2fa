// A form that sends one activity, to try things out.

import { useState } from 'react';
import { messageOf, type FieldErrors } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { fromLocalInput } from '../../rules/value-input.tsx';
import { useProfileSearch } from '../../search.ts';
import { useApplication } from '../../session.tsx';
import type { ActivityType } from '../../types.ts';
import { Combobox } from '../../ui/combobox.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';

interface Accepted {
  accepted: number;
  duplicates: number;
  rejected: { index: number; id: string | null; errors: FieldErrors }[];
}

export function SendActivity({ types, onClose }: { types: ActivityType[]; onClose: () => void }) {
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
      action="Send it"
      busy={send.isPending}
      problem={[
        ...others.map(([field, messages]) => `${field}: ${messages.join(' ')}`),
        ...(send.error ? [messageOf(send.error)] : []),
      ].join(' ')}
    >
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
    </Dialog>
  );
}
