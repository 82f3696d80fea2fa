// Files in and out: a file of profiles, activities or members read in, tried out first; past imports; everything of one kind
// written out.

import { useState } from 'react';
import { IconFileImport, IconUpload } from '@tabler/icons-react';
import type { Import } from '@grandstand/sdk/server';
import { DownloadButton } from '../../files/download.tsx';
import { ImportBar, ImportOutcome, isOver, useImport } from '../../files/import-run.tsx';
import { formatNumber, plural } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Badge, Empty, Time, type Tone } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Pager } from '../../ui/pager.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { ImportFile } from './import-file.tsx';

const EXPORTS: [kind: string, title: string, text: string][] = [
  ['profiles', 'Profiles', 'Every profile with its attributes, as an import takes them.'],
  ['activities', 'Activities', 'Everything that profiles did, as an import takes it.'],
  ['members', 'Members', 'Who is in which group now.'],
  ['changes', 'Changes', 'Who entered and left which group, and why.'],
];

const STATES: Record<string, { tone: Tone; label: string }> = {
  receiving: { tone: 'info', label: 'Arriving' },
  queued: { tone: 'info', label: 'Waiting' },
  running: { tone: 'info', label: 'Running' },
  done: { tone: 'good', label: 'Done' },
  failed: { tone: 'bad', label: 'Failed' },
};

const COLUMNS: Column[] = [
  { head: 'File', skeleton: '50%' },
  { head: 'State', skeleton: 70 },
  { head: 'Accepted', skeleton: 50, className: 'right hide-phone' },
  { head: 'Already there', skeleton: 50, className: 'right hide-phone' },
  { head: 'Rejected', skeleton: 50, className: 'right hide-phone' },
  { head: 'Sent', skeleton: 80, className: 'right' },
];

export default function TransfersPage() {
  const application = useApplication();
  const [params, set] = useViewParams();
  const imports = useGet<Page<Import>>(
    application.path('imports/'),
    { page_size: 25, cursor: params.get('cursor') ?? '' },
    { every: (page) => (page?.results.every(isOver) === false ? 1_000 : 15_000) },
  );
  const [importing, setImporting] = useState(false);
  const shown = params.get('import') ?? undefined;
  return (
    <>
      <PageHead
        title="Imports and exports"
        actions={
          application.canWrite && (
            <Button look="primary" icon={<IconUpload size={16} aria-hidden />} onClick={() => setImporting(true)}>
              Import a file
            </Button>
          )
        }
      >
        Files of any size, CSV or NDJSON, compressed or not. The same file twice changes nothing.
      </PageHead>
      <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
        <section className="card" aria-labelledby="imports-heading">
          <div className="card-head">
            <h2 id="imports-heading">Imports</h2>
          </div>
          <Table
            columns={COLUMNS}
            rows={imports.data?.results}
            of={imports}
            loading={3}
            folds={false}
            empty={
              <Empty icon={<IconFileImport size={34} aria-hidden />} title="No file was imported yet">
                Bring profiles, their activities or the members of groups from a spreadsheet or another system.
              </Empty>
            }
          >
            {(row) => <Row key={row.id} row={row} onOpen={() => set({ import: row.id })} />}
          </Table>
          {imports.data && <Pager page={imports.data} noun="import" onCursor={(cursor) => set({ cursor })} />}
        </section>
        <section className="card" aria-labelledby="exports-heading">
          <div className="card-head">
            <h2 id="exports-heading">Exports</h2>
            <span className="muted small">
              From one moment, however long they take. No spreadsheet calculates their cells.
            </span>
          </div>
          <ul className="rows">
            {EXPORTS.map(([kind, title, text]) => (
              <li key={kind}>
                <span>
                  <strong>{title}</strong>
                  <span className="muted small block">{text}</span>
                </span>
                <DownloadButton
                  small
                  path={application.path(`exports/${kind}/`)}
                  query={{ format: 'csv' }}
                  name={`${application.client_id}-${kind}.csv`}
                  label={`Download ${kind}`}
                >
                  Download
                </DownloadButton>
              </li>
            ))}
          </ul>
        </section>
      </div>
      {importing && <ImportFile onClose={() => setImporting(false)} />}
      {shown !== undefined && <ImportDialog id={shown} onClose={() => set({ import: '' })} />}
    </>
  );
}

function Row({ row, onOpen }: { row: Import; onOpen: () => void }) {
  const { tone, label } = STATES[row.state] ?? { tone: 'plain' as const, label: row.state };
  return (
    <tr className="linked">
      <td>
        <button type="button" className="plain-button row-link name" onClick={onOpen}>
          <bdi>{row.name || 'without a name'}</bdi>
        </button>
        <div className="muted small name">
          {plural(row.rows, 'row')} of {row.of}, by {row.created_by.replace(/^(token|producer):/, '')}
        </div>
      </td>
      <td className="fit">
        <Badge tone={tone} dot>
          {label}
        </Badge>
        {row.dry_run && <div className="muted small">tried out</div>}
      </td>
      <td className="fit right numeric hide-phone">{formatNumber(row.accepted)}</td>
      <td className="fit right numeric hide-phone">{formatNumber(row.duplicates)}</td>
      <td className="fit right numeric hide-phone">{formatNumber(row.rejected)}</td>
      <td className="fit right muted">
        <Time at={row.created_at} ago />
      </td>
    </tr>
  );
}

function ImportDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { data } = useImport(id);
  return (
    <Dialog
      title={data?.name || 'Import'}
      wide
      onClose={onClose}
      foot={
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      }
    >
      {data?.dry_run && <p className="muted">This was tried out: nothing was stored.</p>}
      {data && isOver(data) ? <ImportOutcome row={data} /> : <ImportBar row={data} />}
    </Dialog>
  );
}
