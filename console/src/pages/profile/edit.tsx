import { useApplication } from '../../session.tsx';
import { fieldsOf, restOf } from '../../api.ts';
import { useRemember, useSend } from '../../queries.ts';
import { isLate, saveOver } from '../../save-over.ts';
import type { Pair, Profile } from '../../types.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea, TextField } from '../../ui/field.tsx';
import { PairsField } from '../../ui/pairs-field.tsx';
import { toast } from '../../ui/toast.tsx';
import { useMerge } from '../../ui/use-merge.ts';
import { Versions } from '../../ui/versions.tsx';

interface Fields {
  nickname: string;
  custom_id: string;
  custom_data: string;
  attributes: Pair[];
}

const LABELS: Record<keyof Fields, string> = {
  nickname: 'Nickname',
  custom_id: 'Custom id',
  custom_data: 'Custom data',
  attributes: 'Attributes',
};

const fieldsFrom = (profile: Profile): Fields => ({
  nickname: profile.nickname,
  custom_id: profile.custom_id ?? '',
  custom_data: profile.custom_data ?? '',
  attributes: profile.attributes.map(({ key, value }) => ({ key, value })),
});

/** `profile` is the newest that is known: its own app may change it while this is open. */
export function EditProfile({ profile, onClose }: { profile: Profile; onClose: () => void }) {
  const application = useApplication();
  const remember = useRemember();
  const form = useMerge<Fields>(`profile ${profile.id}`, fieldsFrom(profile), profile.updated_at);
  const { fields, set, conflicts } = form;
  const path = application.path(`profiles/${profile.id}/`);
  const save = useSend<Fields, Profile>(
    (client) => {
      const { custom_id: customId, custom_data: customData, ...changes } = form.changes;
      return saveOver(
        client,
        `profiles/${profile.id}/`,
        {
          ...changes,
          ...(customId !== undefined && { custom_id: customId === '' ? null : customId }),
          ...(customData !== undefined && { custom_data: customData === '' ? null : customData }),
        },
        profile,
        (newer) => form.isKnown(fieldsFrom(newer)),
        (newer) => remember(path, newer),
      );
    },
    () => [application.path('profiles/'), `profiles/${profile.id}/`],
  );
  const errors = fieldsOf(save.error);
  const close = (): void => {
    form.discard();
    onClose();
  };
  const submit = (): void =>
    save.mutate(fields, {
      onSuccess: () => {
        toast('Saved.');
        close();
      },
    });
  return (
    <Dialog
      title="Edit the profile"
      wide
      onClose={close}
      onSubmit={() => conflicts.length === 0 && submit()}
      {...(conflicts.length === 0 && { action: 'Save' })}
      busy={save.isPending}
      problem={isLate(save.error) ? undefined : restOf(save.error, Object.keys(LABELS))}
    >
      {conflicts.length > 0 && (
        <Versions
          labels={LABELS}
          fields={conflicts}
          mine={fields}
          theirs={fieldsFrom(profile)}
          busy={save.isPending}
          onSave={submit}
          onTheirs={() => {
            form.takeTheirs();
            save.reset();
          }}
        />
      )}
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
