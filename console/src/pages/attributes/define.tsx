import { useState } from 'react';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { TYPE_WORDS } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { Attribute } from '../../types.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices, SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';
import { useActivityTypes } from '../profile/activities.tsx';

type Kind = 'stored' | 'computed';

const FUNCTIONS: [string, string][] = [
  ['count', 'How many there are'],
  ['sum', 'The sum of their values'],
  ['exists', 'Whether there is any'],
  ['first', 'When the first was'],
  ['last', 'When the newest was'],
  ['state', 'A value in the newest one'],
];

/** A new attribute, or what can still change of one. */
export function DefineAttribute({ attribute, onClose }: { attribute?: Attribute; onClose: () => void }) {
  const application = useApplication();
  const types = useActivityTypes();
  const [kind, setKind] = useState<Kind>(attribute?.derived_from ? 'computed' : 'stored');
  const [fields, setFields] = useState({
    key: attribute?.key ?? '',
    label: attribute?.label ?? '',
    description: attribute?.description ?? '',
    type: attribute?.type ?? 'string',
    unit: attribute?.unit ?? '',
    choices: (attribute?.choices ?? []).join('\n'),
    writable_by: attribute?.writable_by ?? 'admin',
    visible_to: attribute?.visible_to ?? 'owner',
    fn: 'count',
    types: [] as string[],
    stateKey: '',
    whereKey: '',
    whereValue: '',
  });
  const set = (changes: Partial<typeof fields>): void => setFields((before) => ({ ...before, ...changes }));
  const list = application.path('profile-attributes/');
  const save = useSend<undefined, Attribute>(
    (client) => {
      const choices = fields.choices
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);
      const shared = {
        label: fields.label,
        description: fields.description,
        visible_to: fields.visible_to,
        unit: fields.unit || null,
        ...(fields.type === 'string' && kind === 'stored' && { choices: choices.length > 0 ? choices : null }),
      };
      if (attribute)
        return client.request(`${list}${encodeURIComponent(attribute.key)}/`, {
          method: 'PATCH',
          body: { ...shared, ...(kind === 'stored' && { writable_by: fields.writable_by }) },
        });
      const derived = {
        fn: fields.fn,
        types: fields.types,
        ...(fields.fn === 'state' && { key: fields.stateKey }),
        ...(fields.fn !== 'state' &&
          fields.whereKey !== '' && { where: { key: fields.whereKey, equals: readScalar(fields.whereValue) } }),
      };
      const own =
        kind === 'stored'
          ? { type: fields.type, writable_by: fields.writable_by }
          : { derived_from: derived, ...(fields.fn === 'state' && { type: fields.type }) };
      return client.request(list, { method: 'POST', body: { key: fields.key, ...shared, ...own } });
    },
    () => [list],
  );
  const errors = fieldsOf(save.error);
  const below = (name: string): string[] | undefined => {
    const found = Object.entries(errors).filter(
      ([field]) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`),
    );
    return found.length > 0 ? found.flatMap(([, messages]) => messages) : undefined;
  };
  const rest = restOf(save.error, [
    'key',
    'label',
    'description',
    'type',
    'unit',
    'choices',
    'writable_by',
    'visible_to',
    'derived_from',
  ]);
  const choosesType = kind === 'stored' || fields.fn === 'state';
  return (
    <Dialog
      title={attribute ? `Edit “${attribute.label}”` : 'New attribute'}
      wide
      onClose={onClose}
      onSubmit={() =>
        save.mutate(undefined, {
          onSuccess: (saved) => {
            toast(attribute ? 'Saved.' : `“${saved.label}” can be used in rules now.`);
            onClose();
          },
        })
      }
      action={attribute ? 'Save' : 'Define it'}
      busy={save.isPending}
      problem={[...(errors['derived_from'] ?? []), ...(rest === undefined ? [] : [rest])].join(' ')}
    >
      {!attribute && (
        <Choices<Kind>
          label="Where it comes from"
          value={kind}
          onChange={setKind}
          choices={[
            { value: 'stored', label: 'Told by your systems' },
            { value: 'computed', label: 'Computed from activities' },
          ]}
        />
      )}
      <div className="form-grid">
        <TextField
          label="Key"
          hint={attribute ? 'It stays.' : 'As it stands on profiles, such as favourite_team.'}
          className="mono"
          value={fields.key}
          disabled={attribute !== undefined}
          errors={errors['key']}
          autoFocus={!attribute}
          onChange={(event) => set({ key: event.target.value })}
        />
        <TextField
          label="Label"
          hint="How it is called in rules."
          value={fields.label}
          errors={errors['label']}
          onChange={(event) => set({ label: event.target.value })}
        />
      </div>
      {kind === 'computed' && !attribute && (
        <div className="form-grid">
          <SelectField
            label="What of the activities"
            value={fields.fn}
            errors={below('derived_from.fn')}
            onChange={(event) => set({ fn: event.target.value })}
          >
            {FUNCTIONS.map(([fn, label]) => (
              <option key={fn} value={fn}>
                {label}
              </option>
            ))}
          </SelectField>
          <SelectField
            label="Which activities"
            multiple
            size={6}
            className="multiple"
            hint="Hold Ctrl or ⌘ to choose several."
            value={fields.types}
            errors={below('derived_from.types')}
            onChange={(event) => set({ types: [...event.target.selectedOptions].map((option) => option.value) })}
          >
            {types.map((type) => (
              <option key={type.type} value={type.type}>
                {type.label}
              </option>
            ))}
          </SelectField>
          {fields.fn === 'state' ? (
            <TextField
              label="Which value of their data"
              hint="A key, such as level."
              className="mono"
              value={fields.stateKey}
              errors={below('derived_from.key')}
              onChange={(event) => set({ stateKey: event.target.value })}
            />
          ) : (
            <>
              <TextField
                label="Only where their data has"
                hint="Optional: a key, such as direction."
                className="mono"
                value={fields.whereKey}
                errors={below('derived_from.where')}
                onChange={(event) => set({ whereKey: event.target.value })}
              />
              <TextField
                label="equal to"
                hint="A text, a number, true or false."
                className="mono"
                value={fields.whereValue}
                onChange={(event) => set({ whereValue: event.target.value })}
              />
            </>
          )}
        </div>
      )}
      {choosesType && (
        <div className="form-grid">
          <SelectField
            label="Type"
            value={fields.type}
            disabled={attribute !== undefined}
            errors={errors['type']}
            onChange={(event) => set({ type: event.target.value as Attribute['type'] })}
          >
            {Object.entries(TYPE_WORDS)
              .filter(([type]) => type !== 'list' || kind === 'stored')
              .map(([type, words]) => (
                <option key={type} value={type}>
                  {words}
                </option>
              ))}
          </SelectField>
          {fields.type === 'number' && (
            <TextField
              label="Unit"
              hint="Optional, such as points."
              value={fields.unit}
              errors={errors['unit']}
              onChange={(event) => set({ unit: event.target.value })}
            />
          )}
        </div>
      )}
      {kind === 'stored' && fields.type === 'string' && (
        <TextArea
          label="Values"
          hint="Optional, where they are few: one a line. Rules then offer them."
          rows={3}
          className="short"
          value={fields.choices}
          errors={below('choices')}
          onChange={(event) => set({ choices: event.target.value })}
        />
      )}
      <TextArea
        label="Description"
        rows={2}
        className="short"
        value={fields.description}
        errors={errors['description']}
        onChange={(event) => set({ description: event.target.value })}
      />
      <div className="form-grid">
        {kind === 'stored' && (
          <SelectField
            label="Who writes it"
            value={fields.writable_by}
            errors={errors['writable_by']}
            hint="What a profile writes itself should not decide over rewards."
            onChange={(event) => set({ writable_by: event.target.value as Attribute['writable_by'] })}
          >
            <option value="admin">your systems alone</option>
            <option value="profile">the profile, too</option>
          </SelectField>
        )}
        <SelectField
          label="Who sees it"
          value={fields.visible_to}
          errors={errors['visible_to']}
          onChange={(event) => set({ visible_to: event.target.value as Attribute['visible_to'] })}
        >
          <option value="admin">you alone</option>
          <option value="owner">the profile itself, and you</option>
          <option value="public">everybody</option>
        </SelectField>
      </div>
    </Dialog>
  );
}

function readScalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}
