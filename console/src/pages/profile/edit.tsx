import { useState } from 'react';
import { ApiError, fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Pair, Profile } from '../../types.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';
import { PairsField } from '../group/settings.tsx';

interface Fields {
  nickname: string;
  custom_id: string;
  custom_data: string;
  attributes: Pair[];
}

export function EditProfile({ profile, onClose }: { profile: Profile; onClose: () => void }) {
  const application = useApplication();
  const [base] = useState(profile);
  const [force, setForce] = useState(false);
  const [fields, setFields] = useState<Fields>({
    nickname: profile.nickname,
    custom_id: profile.custom_id ?? '',
    custom_data: profile.custom_data ?? '',
    attributes: profile.attributes,
  });
  const set = (changes: Partial<Fields>): void => setFields((before) => ({ ...before, ...changes }));
  const save = useSend<Fields, Profile>(
    (client, body) =>
      client.request<Profile>(`profiles/${profile.id}/`, {
        method: 'PATCH',
        body: {
          ...body,
          custom_id: body.custom_id === '' ? null : body.custom_id,
          custom_data: body.custom_data === '' ? null : body.custom_data,
        },
        ...(!force && { headers: { 'if-match': `"${base.updated_at}"` } }),
      }),
    () => [application.path('profiles/'), `profiles/${profile.id}/`],
  );
  const errors = fieldsOf(save.error);
  const late = save.error instanceof ApiError && save.error.status === 412;
  const rest = late
    ? 'This profile changed since you opened it, perhaps by its own app. Save again to write yours over it.'
    : restOf(save.error, ['nickname', 'custom_id', 'custom_data', 'attributes']);
  return (
    <Dialog
      title="Edit the profile"
      wide
      onClose={onClose}
      onSubmit={() =>
        save.mutate(fields, {
          onSuccess: () => {
            toast('Saved.');
            onClose();
          },
          onError: (error) => setForce(error instanceof ApiError && error.status === 412),
        })
      }
      action={force ? 'Save over it' : 'Save'}
      busy={save.isPending}
      problem={rest}
    >
      <div className="form-grid">
        <TextField
          label="Nickname"
          value={fields.nickname}
          errors={errors['nickname']}
          autoFocus
          onChange={(event) => set({ nickname: event.target.value })}
        />
        <TextField
          label="Custom id"
          value={fields.custom_id}
          errors={errors['custom_id']}
          onChange={(event) => set({ custom_id: event.target.value })}
        />
      </div>
      <PairsField pairs={fields.attributes} errors={errors} onChange={(attributes) => set({ attributes })} />
      <TextArea
        label="Custom data"
        className="mono"
        rows={4}
        value={fields.custom_data}
        errors={errors['custom_data']}
        onChange={(event) => set({ custom_data: event.target.value })}
      />
    </Dialog>
  );
}
