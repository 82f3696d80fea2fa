// What is known of a fan, changed where it stands: each change is sent by itself and touches no other attribute.

import { useEffect, useId, useMemo, useRef, useState, type FormEvent } from 'react';
import { IconPencil, IconPlus } from '@tabler/icons-react';
import { messageOf } from '../../api.ts';
import { formatMoment } from '../../format.ts';
import { useRemember, useSend } from '../../queries.ts';
import { fromLocalInput, ListInput, toLocalInput } from '../../rules/value-input.tsx';
import { useAttributes } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Attribute, Pair, Profile } from '../../types.ts';
import { Problem } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';

interface Patch {
  set?: Pair[];
  remove?: string[];
}

const pairsOf = (key: string, values: string[]): Pair[] => values.map((value) => ({ key, value }));

/** Writes, shows the answer at once, and says what was done with a way back. */
function usePatch(profile: Profile) {
  const { path } = useApplication();
  const { client } = useSession();
  const remember = useRemember();
  const address = `profiles/${profile.id}/`;
  const write = async (attributes: Patch): Promise<void> =>
    remember(path(address), await client.request<Profile>(address, { method: 'PATCH', body: { attributes } }));
  return useSend<{ patch: Patch; back: Patch; text: string }>(
    async (_client, { patch, back, text }) => {
      await write(patch);
      toast(text, () => write(back));
    },
    () => [path('profiles/'), path(`profiles/${profile.id}/profile-groups/`), path('profile-groups/')],
  );
}

export function ProfileAttributes({ profile }: { profile: Profile }) {
  const { canWrite } = useApplication();
  const { attributes } = useAttributes();
  const known = useMemo(() => new Map(attributes?.map((one) => [one.key, one])), [attributes]);
  const [editing, setEditing] = useState<string | undefined>(undefined);
  const rows = valuesByKey(profile.attributes);
  const section = useFocusKept(editing);
  const close = (): void => setEditing(undefined);
  return (
    <section ref={section} className="card pad stack" aria-labelledby="attributes-heading">
      <h2 id="attributes-heading">Attributes</h2>
      {rows.length === 0 && editing === undefined && (
        <p className="muted">None. Attributes hold what your own systems know of a fan, and rules can read them.</p>
      )}
      {rows.length > 0 && (
        <dl className="facts editable">
          {rows.map(([key, values]) => {
            const label = known.get(key)?.label ?? key;
            return (
              <div key={key} className={editing === key ? 'editing' : undefined}>
                <dt className="name" title={key}>
                  {label}
                </dt>
                <dd className="name">
                  {editing === key ? (
                    <EditOne
                      profile={profile}
                      id={key}
                      label={label}
                      about={known.get(key)}
                      values={values}
                      onDone={close}
                    />
                  ) : (
                    <>
                      <span>
                        {values.map((value) => (
                          <span key={value} className="fact-value">
                            <bdi>{shown(value, known.get(key))}</bdi>
                          </span>
                        ))}
                      </span>
                      {canWrite && (
                        <Button
                          look="quiet"
                          small
                          iconOnly
                          icon={<IconPencil size={14} aria-hidden />}
                          data-changes={key}
                          onClick={() => setEditing(key)}
                        >
                          {`Change ${label}`}
                        </Button>
                      )}
                    </>
                  )}
                </dd>
              </div>
            );
          })}
        </dl>
      )}
      {canWrite &&
        (editing === '' ? (
          <AddOne
            profile={profile}
            choices={(attributes ?? []).filter((one) => isStored(one) && !rows.some(([key]) => key === one.key))}
            onDone={close}
          />
        ) : (
          <div>
            <Button small icon={<IconPlus size={15} aria-hidden />} data-changes="" onClick={() => setEditing('')}>
              Add an attribute
            </Button>
          </div>
        ))}
    </section>
  );
}

/** Who was changing one goes on from there: at its button, or at the one that adds where that is gone. */
function useFocusKept(editing: string | undefined) {
  const section = useRef<HTMLElement>(null);
  const before = useRef<string | undefined>(undefined);
  useEffect(() => {
    const last = before.current;
    before.current = editing;
    if (editing !== undefined || last === undefined) return;
    const buttons = [...(section.current?.querySelectorAll<HTMLElement>('[data-changes]') ?? [])];
    (buttons.find((one) => one.dataset['changes'] === last) ?? buttons.at(-1))?.focus();
  }, [editing]);
  return section;
}

const isStored = (one: Attribute): boolean => one.source === 'custom' && one.derived_from == null;

function shown(value: string, about: Attribute | undefined): string {
  if (about?.type === 'boolean') return value === 'true' ? 'yes' : 'no';
  if (about?.type === 'datetime' && toLocalInput(value) !== '') return formatMoment(value);
  return value;
}

/** A key that stands with several values has them below each other. */
function valuesByKey(pairs: Pair[]): [key: string, values: string[]][] {
  const found = new Map<string, string[]>();
  for (const { key, value } of pairs) found.set(key, [...(found.get(key) ?? []), value]);
  return [...found];
}

interface EditOneProps {
  profile: Profile;
  id: string;
  label: string;
  about: Attribute | undefined;
  values: string[];
  onDone: () => void;
}

function EditOne({ profile, id: key, label, about, values, onDone }: EditOneProps) {
  const [next, setNext] = useState(values);
  const patch = usePatch(profile);
  const back: Patch = { set: pairsOf(key, values) };
  const send = (change: Patch, text: string): void =>
    patch.mutate({ patch: change, back, text }, { onSuccess: onDone });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const wanted = next.filter((value) => value !== '');
    if (wanted.length === 0) return send({ remove: [key] }, `“${label}” was removed.`);
    if (JSON.stringify(wanted) === JSON.stringify(values)) return onDone();
    send({ set: pairsOf(key, wanted) }, `“${label}” was changed.`);
  };
  return (
    <form className="stack" noValidate onSubmit={submit} onKeyDown={(event) => event.key === 'Escape' && onDone()}>
      <Values label={label} about={about} values={next} onChange={setNext} autoFocus />
      <Problem>{patch.error ? messageOf(patch.error) : undefined}</Problem>
      <div className="row wrap">
        <Button look="primary" small type="submit" busy={patch.isPending}>
          Save
        </Button>
        <Button small onClick={onDone}>
          Cancel
        </Button>
        <Button
          small
          danger
          look="quiet"
          busy={patch.isPending}
          onClick={() => send({ remove: [key] }, `“${label}” was removed.`)}
        >
          Remove
        </Button>
      </div>
    </form>
  );
}

const OTHER = '';

function AddOne({ profile, choices, onDone }: { profile: Profile; choices: Attribute[]; onDone: () => void }) {
  const [chosen, setChosen] = useState(choices[0]?.key ?? OTHER);
  const [other, setOther] = useState('');
  const [values, setValues] = useState<string[]>([]);
  const patch = usePatch(profile);
  const about = choices.find((one) => one.key === chosen);
  const key = about ? chosen : other.trim();
  const before = profile.attributes.filter((pair) => pair.key === key);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const wanted = values.length === 0 && about?.type === 'boolean' ? ['true'] : values;
    const label = about?.label ?? key;
    patch.mutate(
      {
        patch: { set: pairsOf(key, wanted.length === 0 ? [''] : wanted) },
        back: before.length > 0 ? { set: before } : { remove: [key] },
        text: `“${label}” was added.`,
      },
      { onSuccess: onDone },
    );
  };
  return (
    <form
      className="stack"
      noValidate
      aria-label="Add an attribute"
      onSubmit={submit}
      onKeyDown={(event) => event.key === 'Escape' && onDone()}
    >
      <SelectField
        label="Attribute"
        value={chosen}
        autoFocus
        onChange={(event) => {
          setChosen(event.target.value);
          setValues([]);
        }}
      >
        {choices.map((one) => (
          <option key={one.key} value={one.key}>
            {one.label}
          </option>
        ))}
        <option value={OTHER}>another, by its key</option>
      </SelectField>
      {!about && (
        <TextField
          label="Key"
          className="mono"
          value={other}
          maxLength={200}
          onChange={(event) => setOther(event.target.value)}
        />
      )}
      <div className="field">
        <span className="label" aria-hidden>
          Value
        </span>
        <Values key={chosen} label="Value" about={about} values={values} onChange={setValues} />
      </div>
      <Problem>{patch.error ? messageOf(patch.error) : undefined}</Problem>
      <div className="row">
        <Button look="primary" small type="submit" busy={patch.isPending}>
          Add
        </Button>
        <Button small onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

interface ValuesProps {
  label: string;
  about: Attribute | undefined;
  values: string[];
  onChange: (values: string[]) => void;
  autoFocus?: boolean;
}

/** The field that the type of the attribute asks for. */
function Values({ label, about, values, onChange, autoFocus = false }: ValuesProps) {
  const id = useId();
  const [value = ''] = values;
  const choices = about?.choices ?? undefined;
  const wiring = { id, 'aria-label': label, autoFocus };
  const one = (text: string): void => onChange([text]);
  if (about?.type === 'list' || values.length > 1)
    return (
      <ListInput
        aria-label={label}
        aria-invalid={undefined}
        aria-describedby={undefined}
        disabled={undefined}
        value={values}
        numeric={false}
        choices={choices}
        onChange={(next) => onChange((next as unknown[]).map(String))} // of its items
      />
    );
  if (about?.type === 'boolean')
    return (
      <select
        className="select"
        {...wiring}
        value={value === 'false' ? 'false' : 'true'}
        onChange={(event) => one(event.target.value)}
      >
        <option value="true">yes</option>
        <option value="false">no</option>
      </select>
    );
  if (choices && choices.length > 0)
    return (
      <select className="select" {...wiring} value={value} onChange={(event) => one(event.target.value)}>
        {!choices.includes(value) && <option value={value}>{value === '' ? 'Choose…' : value}</option>}
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    );
  if (about?.type === 'datetime')
    return (
      <input
        type="datetime-local"
        className="input"
        {...wiring}
        value={toLocalInput(value)}
        onChange={(event) => one(fromLocalInput(event.target.value) ?? '')}
      />
    );
  return (
    <input
      className="input"
      autoComplete="off"
      maxLength={200}
      {...(about?.type === 'number' && { inputMode: 'decimal' as const })}
      {...wiring}
      value={value}
      onChange={(event) => one(event.target.value)}
    />
  );
}
