// Which name over there is which of ours. What is not saved yet stays, whatever a poll brings.

import { useState } from 'react';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { Source, SourceMapping } from '@grandstand/sdk/server';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { isLate } from '../../save-over.ts';
import { useApplication } from '../../session.tsx';
import { Problem } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { toast } from '../../ui/toast.tsx';

export interface MappingRow {
  from: string;
  /** Empty: ignored. */
  to: string;
}
export interface Draft {
  events: MappingRow[];
  traits: MappingRow[];
}

const rowsOf = (names: Record<string, string | null> = {}): MappingRow[] =>
  Object.entries(names).map(([from, to]) => ({ from, to: to ?? '' }));
const namesOf = (rows: MappingRow[]): Record<string, string | null> =>
  Object.fromEntries(rows.filter(({ from }) => from !== '').map(({ from, to }) => [from, to.trim() || null]));
export const draftOf = ({ events, traits }: SourceMapping): Draft => ({
  events: rowsOf(events),
  traits: rowsOf(traits),
});

interface EditorProps {
  source: Source;
  draft: Draft;
  setDraft: (draft: Draft | undefined) => void;
}

export function MappingEditor({ source, draft, setDraft }: EditorProps) {
  const { path, canManage } = useApplication();
  const [seen, setSeen] = useState(source.updated_at);
  const list = path('sources/');
  const send = useSend<undefined, Source>(
    (client) => {
      const { events: _events, traits: _traits, ...rest } = source.mapping;
      const mapping = { ...rest, events: namesOf(draft.events), traits: namesOf(draft.traits) };
      const headers = { 'if-match': `"${seen}"` };
      return client.request(`${list}${source.id}/`, { method: 'PATCH', body: { mapping }, headers });
    },
    () => [list],
  );
  const errors = fieldsOf(send.error);
  const save = (): void =>
    send.mutate(undefined, {
      onSuccess: (saved) => {
        setSeen(saved.updated_at);
        setDraft(undefined);
        toast('The mapping was saved. It holds for what comes from now on.');
      },
    });
  const part = (name: keyof Draft) => ({
    rows: draft[name],
    errors: Object.entries(errors).flatMap(([field, messages]) =>
      field.startsWith(`mapping.${name}`) ? messages : [],
    ),
    disabled: !canManage,
    onChange: (rows: MappingRow[]) => setDraft({ ...draft, [name]: rows }),
  });
  return (
    <section className="card pad stack" aria-labelledby="mapping-heading">
      <h2 id="mapping-heading">Mapping</h2>
      <Rows legend="Events" hint="Activity type; empty ignores the event." noun="event" {...part('events')} />
      {source.kind === 'segment' && (
        <Rows
          legend="Traits"
          hint="Attribute key, or nickname; empty ignores the trait."
          noun="trait"
          {...part('traits')}
        />
      )}
      <Problem>
        {isLate(send.error)
          ? 'Somebody else changed this source meanwhile. Yours is still here; discard it to see theirs.'
          : restOf(send.error, ['mapping'])}
      </Problem>
      {canManage && (
        <div className="row">
          <Button look="primary" busy={send.isPending} onClick={save}>
            Save the mapping
          </Button>
          <Button
            onClick={() => {
              setSeen(source.updated_at);
              setDraft(undefined);
              send.reset();
            }}
          >
            Discard
          </Button>
        </div>
      )}
    </section>
  );
}

interface RowsProps {
  legend: string;
  hint: string;
  noun: string;
  rows: MappingRow[];
  errors: string[];
  disabled: boolean;
  onChange: (rows: MappingRow[]) => void;
}

function Rows({ legend, hint, noun, rows, errors, disabled, onChange }: RowsProps) {
  const change = (at: number, part: Partial<MappingRow>): void =>
    onChange(rows.map((row, index) => (index === at ? { ...row, ...part } : row)));
  return (
    <fieldset className="field" disabled={disabled}>
      <legend className="label">{legend}</legend>
      {rows.length > 0 && (
        <ul className="pairs">
          {rows.map((row, at) => (
            <li key={at}>
              <input
                className="input"
                aria-label={`Name of ${noun} ${at + 1}`}
                placeholder="name over there"
                value={row.from}
                onChange={(event) => change(at, { from: event.target.value })}
              />
              <input
                className="input"
                aria-label={`What ${noun} ${at + 1} becomes`}
                placeholder="ignored"
                value={row.to}
                onChange={(event) => change(at, { to: event.target.value })}
              />
              <Button
                look="quiet"
                danger
                iconOnly
                icon={<IconTrash size={16} aria-hidden />}
                onClick={() => onChange(rows.filter((_, index) => index !== at))}
              >
                {`Remove ${noun} ${at + 1}`}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {errors.length > 0 && (
        <p className="error" role="alert">
          {errors.join(' ')}
        </p>
      )}
      <p className="hint">{hint}</p>
      <Button icon={<IconPlus size={16} aria-hidden />} onClick={() => onChange([...rows, { from: '', to: '' }])}>
        {`Add ${noun === 'event' ? 'an event' : 'a trait'}`}
      </Button>
    </fieldset>
  );
}
