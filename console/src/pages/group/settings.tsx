import { useState } from 'react';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { ApiError, fieldsOf, restOf } from '../../api.ts';
import { useInvalidate, useSend } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Group, Pair } from '../../types.ts';
import { Problem } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { CheckField, TextArea, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';

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

export function GroupSettings({ group }: { group: Group }) {
  const application = useApplication();
  const [fields, setFields] = useState<Fields>(() => fieldsFrom(group));
  const [base, setBase] = useState(group);
  const path = application.path(`profile-groups/${group.id}/`);
  const invalidate = useInvalidate();
  const save = useSend<Fields, Group>(
    (client, body) =>
      client.request<Group>(path, {
        method: 'PATCH',
        body: { ...body, custom_id: body.custom_id === '' ? null : body.custom_id },
        headers: { 'if-match': `"${base.updated_at}"` },
      }),
    () => [application.path('profile-groups/')],
  );
  const set = (changes: Partial<Fields>): void => setFields((before) => ({ ...before, ...changes }));
  const errors = fieldsOf(save.error);
  const isDirty = JSON.stringify(fields) !== JSON.stringify(fieldsFrom(base));
  const someoneElse = save.error instanceof ApiError && save.error.status === 412;
  const rest = someoneElse
    ? undefined
    : restOf(save.error, ['name', 'description', 'custom_id', 'visible_to_members', 'attributes']);
  const submit = (): void =>
    save.mutate(fields, {
      onSuccess: (saved) => {
        setBase(saved);
        setFields(fieldsFrom(saved));
        toast('Saved.');
      },
      onError: () => void invalidate(path),
    });
  const disabled = !application.canWrite;
  return (
    <form
      className="card pad stack narrow"
      noValidate
      style={{ '--gap': '18px' } as React.CSSProperties}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextField
        label="Name"
        value={fields.name}
        errors={errors['name']}
        disabled={disabled}
        onChange={(event) => set({ name: event.target.value })}
      />
      <TextArea
        label="Description"
        rows={3}
        className="short"
        value={fields.description}
        errors={errors['description']}
        disabled={disabled}
        onChange={(event) => set({ description: event.target.value })}
      />
      <TextField
        label="Custom id"
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
        label="Members may see it"
        hint="Apps show a profile the groups that it is in. Turn this off for groups that fans should not know of."
        checked={fields.visible_to_members}
        disabled={disabled}
        onChange={(event) => set({ visible_to_members: event.target.checked })}
      />
      {someoneElse && (
        <div className="form-error" role="alert">
          Somebody else changed this group meanwhile. What you wrote is still here.{' '}
          <button type="button" className="link" onClick={() => setBase(group)}>
            Save mine over theirs
          </button>{' '}
          or{' '}
          <button
            type="button"
            className="link"
            onClick={() => {
              setBase(group);
              setFields(fieldsFrom(group));
              save.reset();
            }}
          >
            take theirs
          </button>
          .
        </div>
      )}
      <Problem>{rest}</Problem>
      {!disabled && (
        <div className="row">
          <Button look="primary" type="submit" busy={save.isPending} disabled={!isDirty}>
            {save.isPending ? 'Saving…' : 'Save'}
          </Button>
          {isDirty && <Button onClick={() => setFields(fieldsFrom(base))}>Discard</Button>}
        </div>
      )}
    </form>
  );
}

/** Keys with values; a key may stand more than once. */
export function PairsField({
  pairs,
  errors,
  disabled,
  onChange,
}: {
  pairs: Pair[];
  errors: Record<string, string[]>;
  disabled?: boolean;
  onChange: (pairs: Pair[]) => void;
}) {
  const change = (at: number, part: Partial<Pair>): void =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)));
  const below = (prefix: string): string[] =>
    Object.entries(errors)
      .filter(([field]) => field === prefix || field.startsWith(`${prefix}.`))
      .flatMap(([, messages]) => messages);
  return (
    <fieldset className="field" disabled={disabled}>
      <legend className="label">Attributes</legend>
      {pairs.length > 0 && (
        <ul className="pairs">
          {pairs.map((pair, at) => (
            <li key={at}>
              <input
                className="input"
                aria-label={`Key ${at + 1}`}
                placeholder="key"
                maxLength={200}
                value={pair.key}
                onChange={(event) => change(at, { key: event.target.value })}
              />
              <input
                className="input"
                aria-label={`Value ${at + 1}`}
                placeholder="value"
                maxLength={200}
                value={pair.value}
                onChange={(event) => change(at, { value: event.target.value })}
              />
              <Button
                look="quiet"
                danger
                iconOnly
                icon={<IconTrash size={16} aria-hidden />}
                onClick={() => onChange(pairs.filter((_, index) => index !== at))}
              >
                {`Remove attribute ${at + 1}`}
              </Button>
              {below(`attributes[${at}]`).length > 0 && (
                <p className="error-text" role="alert">
                  {below(`attributes[${at}]`).join(' ')}
                </p>
              )}
            </li>
          ))}
        </ul>
      )}
      {(errors['attributes'] ?? []).length > 0 && (
        <p className="error-text" role="alert">
          {errors['attributes']?.join(' ')}
        </p>
      )}
      {!disabled && (
        <div>
          <Button
            small
            icon={<IconPlus size={15} aria-hidden />}
            onClick={() => onChange([...pairs, { key: '', value: '' }])}
          >
            Attribute
          </Button>
        </div>
      )}
    </fieldset>
  );
}
