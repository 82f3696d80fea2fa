// Who changed what: filtered by person, object and time, each with what was before and after, and all of it as a file.

import { useState } from 'react';
import { IconHistory } from '@tabler/icons-react';
import type { AuditEntry } from '@grandstand/sdk/server';
import { DownloadButton } from '../../files/download.tsx';
import { useGet, useSettled } from '../../queries.ts';
import { fromLocalInput, toLocalInput } from '../../rules/value-input.tsx';
import { useApplication } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Empty, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Pager } from '../../ui/pager.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { EntryDialog } from './entry.tsx';
import { actionLabel, OBJECT_TYPES } from './words.ts';

const COLUMNS: Column[] = [
  { head: 'What', skeleton: '60%' },
  { head: 'Who', skeleton: 120 },
  { head: 'From', skeleton: 80, className: 'hide-narrow' },
  { head: 'When', skeleton: 80, className: 'right' },
];

const FILTERS = ['actor', 'object_type', 'object_id', 'since', 'until'] as const;

export default function AuditPage() {
  const application = useApplication();
  const [params, set] = useViewParams();
  const read = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? '']));
  const filter = useSettled(JSON.stringify(read), 300);
  const query = JSON.parse(filter) as Record<(typeof FILTERS)[number], string>; // written in the line before
  const path = application.path('audit/');
  const entries = useGet<Page<AuditEntry>>(
    path,
    { ...query, cursor: params.get('cursor') ?? '', page_size: 50 },
    { every: 15_000 },
  );
  const [open, setOpen] = useState<AuditEntry | undefined>(undefined);
  const isFiltered = Object.values(query).some((value) => value !== '');
  return (
    <>
      <PageHead
        title="Audit"
        actions={
          <DownloadButton path={path} query={{ ...query, format: 'csv' }} name="audit.csv">
            Download CSV
          </DownloadButton>
        }
      >
        Who changed what, in the console, with a token or on the command line. Sign-ins and exports of personal data
        stand here too.
      </PageHead>
      <section className="card pad filters" aria-label="Filters">
        <TextField
          label="Who"
          placeholder="E-mail address or token"
          value={read['actor']}
          onChange={(event) => set({ actor: event.target.value })}
        />
        <SelectField
          label="Of what"
          value={read['object_type']}
          onChange={(event) => set({ object_type: event.target.value })}
        >
          <option value="">Anything</option>
          {OBJECT_TYPES.map(([type, label]) => (
            <option key={type} value={type}>
              {label}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Its id"
          className="mono"
          value={read['object_id']}
          onChange={(event) => set({ object_id: event.target.value.trim() })}
        />
        <TextField
          label="Since"
          type="datetime-local"
          value={toLocalInput(read['since'])}
          onChange={(event) => set({ since: fromLocalInput(event.target.value) ?? '' })}
        />
        <TextField
          label="Until"
          type="datetime-local"
          value={toLocalInput(read['until'])}
          onChange={(event) => set({ until: fromLocalInput(event.target.value) ?? '' })}
        />
        {isFiltered && (
          <Button onClick={() => set(Object.fromEntries(FILTERS.map((name) => [name, ''])))}>Clear</Button>
        )}
      </section>
      <section className="card" aria-label="Entries">
        <Table
          columns={COLUMNS}
          rows={entries.data?.results}
          of={entries}
          empty={
            <Empty icon={<IconHistory size={34} aria-hidden />} title={isFiltered ? 'None of these' : 'Nothing yet'}>
              {isFiltered ? 'Nothing matches these filters.' : 'Every change that a person or a token makes is listed.'}
            </Empty>
          }
        >
          {(entry) => <Row key={entry.id} entry={entry} onOpen={() => setOpen(entry)} />}
        </Table>
        {entries.data && (
          <Pager page={entries.data} noun="entry" plural="entries" onCursor={(cursor) => set({ ...read, cursor })} />
        )}
      </section>
      {open && <EntryDialog entry={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

const ACTORS: Record<string, string> = { token: 'admin token', 'command line': 'command line' };

function Row({ entry, onOpen }: { entry: AuditEntry; onOpen: () => void }) {
  const { object, actor } = entry;
  const kind = ACTORS[actor.kind];
  return (
    <tr className="linked">
      <td>
        <button type="button" className="plain-button row-link" onClick={onOpen}>
          {actionLabel(entry.action)}
        </button>
        {object && (object.name ?? object.id) !== null && (
          <div className="muted small name">
            <bdi>{object.name ?? object.id}</bdi>
          </div>
        )}
      </td>
      <td className="name">
        <bdi>{actor.name}</bdi>
        {kind !== undefined && <div className="muted small">{kind}</div>}
      </td>
      <td className="fit muted mono hide-narrow">{entry.address ?? ''}</td>
      <td className="fit right muted">
        <Time at={entry.at} ago />
      </td>
    </tr>
  );
}
