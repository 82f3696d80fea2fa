// The columns of a file, what each is taken for, and what to do with those whose header is not known.

import { useState } from 'react';
import type { FilePreview, ImportKind } from '@grandstand/sdk/server';
import { useGroupNames } from '../../rules/words.ts';
import { GroupsInput } from '../../ui/groups-input.tsx';

export interface Chosen {
  /** Of columns whose header is not known, by their place: the field, or LEAVE. */
  fields?: Record<number, string>;
  /** Of members: the group of all rows. */
  group?: string;
}

const FIELDS: Record<ImportKind, string[]> = {
  profiles: ['custom_id', 'id', 'nickname', 'custom_data', 'access_token', 'attributes', 'created_at'],
  activities: ['id', 'type', 'custom_id', 'profile_id', 'occurred_at', 'value', 'data'],
  members: ['custom_id', 'profile_id'],
};

/** A column that is not imported. */
const LEAVE = '-';

/** What has to be said yet. */
export function missingOf(kind: ImportKind, { format, columns }: FilePreview, chosen: Chosen): string | undefined {
  if (format !== 'csv') return undefined;
  const open = columns.filter(({ known }, index) => !known && chosen.fields?.[index] === undefined);
  if (kind !== 'members') return open[0] && `Say what “${open[0].header}” is, or leave it out.`;
  const isSaid = Object.values(chosen.fields ?? {}).some((field) => field !== LEAVE);
  return isSaid || columns.some(({ known }) => known) ? undefined : 'Say which column holds the ids.';
}

/** What the server is told beside the file. */
export function toQuery(kind: ImportKind, { columns }: FilePreview, chosen: Chosen): Record<string, string | string[]> {
  const said = Object.entries(chosen.fields ?? {}).flatMap(([index, field]) => {
    const header = columns[Number(index)]?.header;
    return field === LEAVE || header === undefined ? [] : [{ field, header }];
  });
  const unknown = columns.filter(({ known }) => !known).length;
  if (kind === 'members') {
    const [first] = said;
    return {
      ...(chosen.group !== undefined && { group: chosen.group }),
      ...(first && { column: first.header, ids: first.field }),
    };
  }
  return {
    ...(said.length > 0 && { column: said.map(({ field, header }) => `${field}:${header}`) }),
    ...(unknown > said.length && { ignore_unknown: 'true' }), // each of them was said to be left out
  };
}

interface ColumnsProps {
  kind: ImportKind;
  preview: FilePreview;
  chosen: Chosen;
  disabled: boolean;
  onChange: (chosen: Chosen) => void;
}

export function Columns({ kind, preview: { columns, rows, format }, chosen, disabled, onChange }: ColumnsProps) {
  // Of members there is one column that counts.
  const set = (index: number, field: string): void =>
    onChange({ ...chosen, fields: kind === 'members' ? { [index]: field } : { ...chosen.fields, [index]: field } });
  const unknown = columns.filter(({ known }) => !known).length;
  const [groups, setGroups] = useState<string[]>(chosen.group === undefined ? [] : [chosen.group]);
  const nameOf = useGroupNames(groups);
  return (
    <>
      {kind === 'members' && (
        <div className="field">
          <span className="label">Into which group</span>
          <GroupsInput
            label="Into which group"
            value={groups}
            nameOf={nameOf}
            disabled={disabled || undefined}
            onChange={(value) => {
              const last = (value as unknown[]).map(String).slice(-1); // the input gives a list; there is one group
              setGroups(last);
              const { group: _, ...rest } = chosen;
              onChange({ ...rest, ...(last[0] !== undefined && { group: last[0] }) });
            }}
          />
          <p className="hint">None: a column group_id says it of each row.</p>
        </div>
      )}
      {unknown > 0 && kind !== 'members' && (
        <p className="muted">
          {unknown === columns.length ? 'No header is known.' : 'Not every header is known.'} Say what these columns
          are; nothing is guessed.
        </p>
      )}
      <div className="table-wrap seen" tabIndex={0} role="region" aria-label="Columns of the file">
        <table className="table">
          <caption className="visually-hidden">The columns of the file and what they are taken for</caption>
          <thead>
            <tr>
              <th scope="col">{format === 'csv' ? 'Column' : 'First lines'}</th>
              {format === 'csv' && <th scope="col">Taken for</th>}
              {format === 'csv' && <th scope="col">For example</th>}
            </tr>
          </thead>
          <tbody>
            {format === 'csv'
              ? columns.map(({ header, field, known }, index) => (
                  <tr key={index}>
                    <th scope="row">{header || `Column ${index + 1}`}</th>
                    <td>
                      {known ? (
                        (field ?? <span className="faint">left out</span>)
                      ) : (
                        <select
                          className="select"
                          aria-label={`What “${header}” is`}
                          value={chosen.fields?.[index] ?? ''}
                          disabled={disabled}
                          onChange={(event) => set(index, event.target.value)}
                        >
                          {chosen.fields?.[index] === undefined && <option value="">Choose…</option>}
                          <option value={LEAVE}>leave it out</option>
                          {FIELDS[kind].map((name) => (
                            <option key={name}>{name}</option>
                          ))}
                          {kind === 'profiles' && header !== '' && (
                            <option value={`attributes.${header}`}>attribute “{header}”</option>
                          )}
                        </select>
                      )}
                    </td>
                    <td className="mono muted">{rows[0]?.[index] ?? ''}</td>
                  </tr>
                ))
              : rows.slice(0, 3).map(([text = ''], index) => (
                  <tr key={index}>
                    <td className="mono">{text}</td>
                  </tr>
                ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
