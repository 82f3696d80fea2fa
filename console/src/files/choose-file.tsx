// The field for a file that is read in, and the call that sends it.

import { useId, type ReactNode } from 'react';
import type { Import } from '@grandstand/sdk/server';
import type { Client, Query } from '../api.ts';
import { sourceOfFile, type Source } from './source.ts';

/** A file of any size may take its time. */
export const LONGEST_MS = 3_600_000;
const MAX_NAME = 200;

/** Sends a file to `imports/`; it is read in in the background. */
export const createImport = (client: Client, path: string, source: Source, query: Query): Promise<Import> =>
  client.request<Import>(path, {
    method: 'POST',
    query: { name: source.name.slice(0, MAX_NAME), ...query },
    body: source.body,
    contentType: source.contentType,
    timeout: LONGEST_MS,
  });

export function ChooseFile({
  label,
  hint,
  disabled,
  onChange,
}: {
  label: string;
  hint: ReactNode;
  disabled: boolean;
  onChange: (source: Source | undefined) => void;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="file"
        className="input file"
        accept=".csv,.txt,.tsv,.ndjson,.jsonl,.gz,text/csv,text/plain"
        disabled={disabled}
        onChange={(event) => {
          const file = event.target.files?.[0];
          onChange(file && sourceOfFile(file));
        }}
        aria-describedby={`${id}-hint`}
      />
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}
