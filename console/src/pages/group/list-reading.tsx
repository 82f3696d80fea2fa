// How a list of ids is to be read. Where the header says it, this shows what was understood; where it does not, it asks: which
// column, what is in it, and whether the first line is a header at all. Nothing is guessed that could lose or add an id.

import { useState } from 'react';
import type { FilePreview, IdFileOptions } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { usePreview } from '../../files/use-preview.ts';
import type { Source } from '../../files/source.ts';
import { Problem, Skeleton } from '../../ui/bits.tsx';
import { Choices, SelectField } from '../../ui/field.tsx';

type IdKind = NonNullable<IdFileOptions['ids']>;

interface Said {
  header?: boolean;
  column?: number;
  ids?: IdKind;
}

export interface Reading {
  preview: FilePreview | undefined;
  problem: string | undefined;
  busy: boolean;
  hasHeader: boolean | undefined;
  column: number | undefined;
  ids: IdKind | undefined;
  /** What has to be said yet. */
  missing: string | undefined;
  /** What the server is told beside the file. */
  query: Record<string, string>;
  say(said: Said): void;
}

const idKind = (field: string | null | undefined): IdKind | undefined =>
  field === 'profile_id' || field === 'custom_id' ? field : undefined;

export function useReading(source: Source | undefined): Reading {
  const [kept, setKept] = useState<{ key: string | undefined; said: Said }>({ key: undefined, said: {} });
  const of = source?.name === 'pasted' ? 'pasted' : source?.key; // what was said of a text goes on while it is being typed
  const said = kept.key === of ? kept.said : {};
  const asTable = usePreview('members', source);
  const asList = usePreview('members', source, {
    header: false,
    enabled: said.header === false || isPlain(asTable.data),
  });
  const isNdjson = asTable.data?.format === 'ndjson';
  const known = asTable.data?.columns.findIndex(({ known: isKnown }) => isKnown) ?? -1;
  const hasHeader = known >= 0 ? true : (said.header ?? (isPlain(asTable.data) ? false : undefined));
  const { data: preview, error, isFetching } = hasHeader === false ? asList : asTable;
  const columns = preview?.columns ?? [];
  const column = isNdjson
    ? undefined
    : (said.column ?? (known >= 0 ? bestOf(columns) : columns.length === 1 ? 0 : undefined));
  const ids = said.ids ?? idKind(column === undefined ? undefined : columns[column]?.field);
  const missing =
    preview === undefined
      ? undefined
      : !isNdjson && hasHeader === undefined
        ? 'Say whether the first line is a header.'
        : !isNdjson && column === undefined
          ? 'Say which column holds the ids.'
          : ids === undefined
            ? 'Say what the ids are.'
            : undefined;
  return {
    preview,
    problem: error ? messageOf(error) : undefined,
    busy: source !== undefined && isFetching,
    hasHeader,
    column,
    ids,
    missing,
    query: {
      ...(ids !== undefined && { ids }),
      ...(hasHeader === false && { header: 'false' }),
      ...(column !== undefined && columns.length > 0 && toColumn(columns, column, hasHeader !== false)),
    },
    say: (more) => setKept({ key: of, said: { ...said, ...more } }),
  };
}

/** One column, and nothing that says what it is: a line too many is told as an id that was not found, none is lost. */
const isPlain = (preview: FilePreview | undefined): boolean =>
  preview?.format === 'csv' && preview.columns.length === 1 && preview.columns[0]?.known === false;

/** Exports carry both kinds; the profile's own id is the surer one. */
function bestOf(columns: FilePreview['columns']): number | undefined {
  const at = ['profile_id', 'custom_id'].map((kind) => columns.findIndex(({ field }) => field === kind));
  return at.find((index) => index >= 0);
}

function toColumn(columns: FilePreview['columns'], column: number, hasHeader: boolean): { column?: string } {
  if (!hasHeader) return columns.length > 1 ? { column: String(column + 1) } : {};
  return { column: columns[column]?.header ?? '' };
}

export function ListReading({ reading, disabled }: { reading: Reading; disabled: boolean }) {
  const { preview, problem, busy, hasHeader, column, ids, say } = reading;
  if (problem !== undefined) return <Problem>{problem}</Problem>;
  if (!preview) return busy ? <Skeleton width="60%" /> : null;
  const { columns } = preview;
  const isKnown = columns.some(({ known }) => known);
  const isList = preview.format === 'ndjson';
  return (
    <div className="stack">
      {!isList && !isKnown && (
        <div className="field">
          <p className="muted">No column is called profile_id or custom_id, so please say how to read this.</p>
          <span className="label">The first line is</span>
          <Choices<string>
            label="The first line is"
            value={hasHeader === undefined ? '' : String(hasHeader)}
            onChange={(value) => say({ header: value === 'true' })}
            choices={[
              { value: 'true', label: 'A header' },
              { value: 'false', label: columns.length > 1 ? 'Data already' : 'An id already' },
            ]}
          />
        </div>
      )}
      {columns.length > 1 && (
        <SelectField
          label="Column with the ids"
          value={column ?? ''}
          disabled={disabled}
          onChange={(event) => say({ column: Number(event.target.value) })}
        >
          {column === undefined && <option value="">Choose…</option>}
          {columns.map(({ header }, index) => (
            <option key={index} value={index} disabled={hasHeader !== false && header.trim() === ''}>
              {columnLabel(header, index, preview.rows)}
            </option>
          ))}
        </SelectField>
      )}
      <SelectField
        label="These are"
        value={ids ?? ''}
        disabled={disabled}
        onChange={(event) => say({ ids: event.target.value as IdKind })} // one of the options
      >
        {ids === undefined && <option value="">Choose…</option>}
        <option value="profile_id">profile ids</option>
        <option value="custom_id">custom ids</option>
      </SelectField>
      <Seen preview={preview} column={isList ? 0 : column} hasHeader={hasHeader !== false && !isList} />
    </div>
  );
}

function columnLabel(header: string, index: number, rows: string[][]): string {
  const examples = rows.slice(0, 2).flatMap((row) => row[index] || []);
  const name = header.trim() === '' ? `Column ${index + 1}` : header;
  return examples.length === 0 ? name : `${name} (${examples.join(', ')}…)`;
}

const SHOWN = 3;

/** The first lines, as the server read them. */
function Seen({
  preview: { columns, rows },
  column,
  hasHeader,
}: {
  preview: FilePreview;
  column: number | undefined;
  hasHeader: boolean;
}) {
  return (
    <div className="table-wrap seen" tabIndex={0} role="region" aria-label="How it begins">
      <table className="table">
        <caption className="visually-hidden">The first lines, as they were read</caption>
        {hasHeader && (
          <thead>
            <tr>
              {columns.map(({ header }, index) => (
                <th key={index} scope="col" className={index === column ? 'chosen' : undefined}>
                  {header}
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {rows.slice(0, SHOWN).map((row, line) => (
            <tr key={line}>
              {row.map((cell, index) => (
                <td key={index} className={index === column ? 'mono chosen' : 'mono muted'}>
                  <bdi>{cell}</bdi>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
