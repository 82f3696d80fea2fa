import { fieldsOf, restOf } from '../../api.ts';
import { useRemember, useSend } from '../../queries.ts';
import { isLate, saveOver } from '../../save-over.ts';
import { useApplication } from '../../session.tsx';
import type { Group, Pair } from '../../types.ts';
import { Problem } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { CheckField, TextArea, TextField } from '../../ui/field.tsx';
import { PairsField } from '../../ui/pairs-field.tsx';
import { toast } from '../../ui/toast.tsx';
import { useMerge } from '../../ui/use-merge.ts';
import { Versions } from '../../ui/versions.tsx';

interface Fields {
  name: string;
  description: string;
  custom_id: string;
  visible_to_members: boolean;
  attributes: Pair[];
}

const fieldsFrom = (group: Group): Fields => ({
  name: group.name,
  description: group.description,
  custom_id: group.custom_id ?? '',
  visible_to_members: group.visible_to_members,
  attributes: group.attributes,
});

const LABELS: Record<keyof Fields, string> = {
  name: 'Name',
  description: 'Description',
  custom_id: 'Custom id',
  visible_to_members: 'Members may see it',
  attributes: 'Attributes',
};

export function GroupSettings({ group }: { group: Group }) {
  const application = useApplication();
  const path = application.path(`profile-groups/${group.id}/`);
  const remember = useRemember();
  const form = useMerge<Fields>(`settings of ${group.id}`, fieldsFrom(group), group.updated_at);
  const { fields, set, isDirty, conflicts } = form;
  const save = useSend<Fields, Group>(
    (client) => {
      const { custom_id: customId, ...changes } = form.changes;
      return saveOver(
        client,
        path,
        { ...changes, ...(customId !== undefined && { custom_id: customId === '' ? null : customId }) },
        group,
        (newer) => form.isKnown(fieldsFrom(newer)),
        (newer) => remember(path, newer),
      );
    },
    () => [application.path('profile-groups/')],
  );
  const errors = fieldsOf(save.error);
  const rest = isLate(save.error) ? undefined : restOf(save.error, Object.keys(LABELS));
  const submit = (): void =>
    save.mutate(fields, {
      onSuccess: (saved) => {
        form.saved(fields, fieldsFrom(saved), saved.updated_at);
        remember(path, saved);
        toast('Saved.');
      },
    });
  const disabled = !application.canWrite;
  return (
    <form
      className="card pad stack narrow"
      noValidate
      style={{ '--gap': '18px' } as React.CSSProperties}
      onSubmit={(event) => {
        event.preventDefault();
        if (conflicts.length === 0) submit(); // else it is for the buttons beside both versions to say
      }}
    >
      <TextField
        label={LABELS.name}
        value={fields.name}
        errors={errors['name']}
        disabled={disabled}
        onChange={(event) => set({ name: event.target.value })}
      />
      <TextArea
        label={LABELS.description}
        rows={3}
        className="short"
        value={fields.description}
        errors={errors['description']}
        disabled={disabled}
        onChange={(event) => set({ description: event.target.value })}
      />
      <TextField
        label={LABELS.custom_id}
        hint="Your own name for it in code. Unique in the application; empty: none."
        value={fields.custom_id}
        errors={errors['custom_id']}
        disabled={disabled}
        onChange={(event) => set({ custom_id: event.target.value })}
      />
      <PairsField
        pairs={fields.attributes}
        errors={errors}
        disabled={disabled}
        onChange={(attributes) => set({ attributes })}
      />
      <CheckField
        label={LABELS.visible_to_members}
        hint="Apps show a profile the groups that it is in. Turn this off for groups that fans should not know of."
        checked={fields.visible_to_members}
        disabled={disabled}
        onChange={(event) => set({ visible_to_members: event.target.checked })}
      />
      {conflicts.length > 0 && !disabled && (
        <Versions
          labels={LABELS}
          fields={conflicts}
          mine={fields}
          theirs={fieldsFrom(group)}
          busy={save.isPending}
          onSave={submit}
          onTheirs={() => {
            form.takeTheirs();
            save.reset();
          }}
        />
      )}
      <Problem>{rest}</Problem>
      {!disabled && conflicts.length === 0 && (
        <div className="row">
          <Button look="primary" type="submit" busy={save.isPending} disabled={!isDirty}>
            {save.isPending ? 'Saving…' : 'Save'}
          </Button>
          {isDirty && <Button onClick={form.discard}>Discard</Button>}
        </div>
      )}
    </form>
  );
}
