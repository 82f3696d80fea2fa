import { useState } from 'react';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { TYPE_WORDS } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { Attribute } from '../../types.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { CheckList, Choices, SelectField, TextArea, TextField } from '../../ui/field.tsx';
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

interface Fields {
  key: string;
  label: string;
  description: string;
  type: Attribute['type'];
  unit: string;
  choices: string;
  writable_by: Attribute['writable_by'];
  visible_to: Attribute['visible_to'];
  fn: string;
  types: string[];
  stateKey: string;
  whereKey: string;
  whereValue: string;
}

/** What every part of the form gets. */
interface Part {
  fields: Fields;
  set(changes: Partial<Fields>): void;
  /** The problems of a field and of what lies below it. */
  below(name: string): string[] | undefined;
}

/** A new attribute, or what can still change of one. */
export function DefineAttribute({ attribute, onClose }: { attribute?: Attribute; onClose: () => void }) {
  const application = useApplication();
  const [kind, setKind] = useState<Kind>(attribute?.derived_from ? 'computed' : 'stored');
  const [fields, setFields] = useState<Fields>(() => fieldsFrom(attribute));
  const set = (changes: Partial<Fields>): void => setFields((before) => ({ ...before, ...changes }));
  const list = application.path('profile-attributes/');
  const save = useSend<undefined, Attribute>(
    (client) =>
      attribute
        ? client.request(`${list}${encodeURIComponent(attribute.key)}/`, {
            method: 'PATCH',
            body: changesOf(fields, kind),
          })
        : client.request(list, { method: 'POST', body: definitionOf(fields, kind) }),
    () => [list],
  );
  const errors = fieldsOf(save.error);
  const below = (name: string): string[] | undefined => {
    const found = Object.entries(errors).filter(
      ([field]) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`),
    );
    return found.length > 0 ? found.flatMap(([, messages]) => messages) : undefined;
  };
  const part: Part = { fields, set, below };
  const rest = restOf(save.error, SHOWN);
  const done = (saved: Attribute): void => {
    toast(attribute ? 'Saved.' : `“${saved.label}” can be used in rules now.`);
    onClose();
  };
  return (
    <Dialog
      title={attribute ? `Edit “${attribute.label}”` : 'New attribute'}
      wide
      onClose={onClose}
      onSubmit={() => save.mutate(undefined, { onSuccess: done })}
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
            { value: 'stored', label: 'Sent by your systems' },
            { value: 'computed', label: 'Computed from activities' },
          ]}
        />
      )}
      <NameFields {...part} isKnown={attribute !== undefined} />
      {kind === 'computed' && !attribute && <DerivedFields {...part} />}
      {(kind === 'stored' || fields.fn === 'state') && (
        <TypeFields {...part} kind={kind} isKnown={attribute !== undefined} />
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
        errors={below('description')}
        onChange={(event) => set({ description: event.target.value })}
      />
      <AccessFields {...part} kind={kind} />
    </Dialog>
  );
}

function NameFields({ fields, set, below, isKnown }: Part & { isKnown: boolean }) {
  return (
    <div className="form-grid">
      <TextField
        label="Key"
        hint={isKnown ? 'It stays.' : 'As it stands on profiles, such as favourite_team.'}
        className="mono"
        value={fields.key}
        disabled={isKnown}
        errors={below('key')}
        autoFocus={!isKnown}
        onChange={(event) => set({ key: event.target.value })}
      />
      <TextField
        label="Label"
        hint="How it is called in rules."
        value={fields.label}
        errors={below('label')}
        onChange={(event) => set({ label: event.target.value })}
      />
    </div>
  );
}

function DerivedFields({ fields, set, below }: Part) {
  const types = useActivityTypes();
  return (
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
      <CheckList
        label="Which activities"
        choices={types.map(({ type, label }) => ({ value: type, label }))}
        value={fields.types}
        errors={below('derived_from.types')}
        onChange={(chosen) => set({ types: chosen })}
      />
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
  );
}

function TypeFields({ fields, set, below, kind, isKnown }: Part & { kind: Kind; isKnown: boolean }) {
  return (
    <div className="form-grid">
      <SelectField
        label="Type"
        value={fields.type}
        disabled={isKnown}
        errors={below('type')}
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
          errors={below('unit')}
          onChange={(event) => set({ unit: event.target.value })}
        />
      )}
    </div>
  );
}

function AccessFields({ fields, set, below, kind }: Part & { kind: Kind }) {
  return (
    <div className="form-grid">
      {kind === 'stored' && (
        <SelectField
          label="Who writes it"
          value={fields.writable_by}
          errors={below('writable_by')}
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
        errors={below('visible_to')}
        onChange={(event) => set({ visible_to: event.target.value as Attribute['visible_to'] })}
      >
        <option value="admin">you alone</option>
        <option value="owner">the profile itself, and you</option>
        <option value="public">everybody</option>
      </SelectField>
    </div>
  );
}

const SHOWN = ['key', 'label', 'description', 'type', 'unit', 'choices', 'writable_by', 'visible_to', 'derived_from'];

function fieldsFrom(attribute: Attribute | undefined): Fields {
  return {
    key: attribute?.key ?? '',
    label: attribute?.label ?? '',
    description: attribute?.description ?? '',
    type: attribute?.type ?? 'string',
    unit: attribute?.unit ?? '',
    choices: (attribute?.choices ?? []).join('\n'),
    writable_by: attribute?.writable_by ?? 'admin',
    visible_to: attribute?.visible_to ?? 'owner',
    fn: 'count',
    types: [],
    stateKey: '',
    whereKey: '',
    whereValue: '',
  };
}

/** What both a new attribute and an edit say. */
function sharedOf(fields: Fields, kind: Kind): Record<string, unknown> {
  const choices = fields.choices
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return {
    label: fields.label,
    description: fields.description,
    visible_to: fields.visible_to,
    unit: fields.unit || null,
    ...(fields.type === 'string' && kind === 'stored' && { choices: choices.length > 0 ? choices : null }),
  };
}

const changesOf = (fields: Fields, kind: Kind): Record<string, unknown> => ({
  ...sharedOf(fields, kind),
  ...(kind === 'stored' && { writable_by: fields.writable_by }),
});

function definitionOf(fields: Fields, kind: Kind): Record<string, unknown> {
  const named = { key: fields.key, ...sharedOf(fields, kind) };
  if (kind === 'stored') return { ...named, type: fields.type, writable_by: fields.writable_by };
  const isState = fields.fn === 'state';
  const derived = {
    fn: fields.fn,
    types: fields.types,
    ...(isState && { key: fields.stateKey }),
    ...(!isState &&
      fields.whereKey !== '' && { where: { key: fields.whereKey, equals: readScalar(fields.whereValue) } }),
  };
  return { ...named, derived_from: derived, ...(isState && { type: fields.type }) };
}

function readScalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}
