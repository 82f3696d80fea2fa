// An import as it goes on, and what became of it: a bar, the counts, the first rejected rows and the way to all of them.

import type { Import } from '@grandstand/sdk/server';
import type { UseQueryResult } from '@tanstack/react-query';
import { formatNumber, plural } from '../format.ts';
import { useGet } from '../queries.ts';
import { useApplication } from '../session.tsx';
import { Problem } from '../ui/bits.tsx';
import { Progress } from '../ui/progress.tsx';
import { Stat } from '../ui/stat.tsx';
import { DownloadButton } from './download.tsx';

const SOON_MS = 300;

export const isOver = ({ state }: Pick<Import, 'state'>): boolean => state === 'done' || state === 'failed';

/** Asked again and again until it is over. */
export function useImport(id: string | undefined): UseQueryResult<Import> {
  const { path } = useApplication();
  return useGet<Import>(
    id === undefined ? null : path(`imports/${id}/`),
    {},
    { every: (answer) => (answer && isOver(answer) ? false : SOON_MS), keep: false },
  );
}

export function ImportBar({ row }: { row: Import | undefined }) {
  const done = row ? row.accepted + row.duplicates + row.rejected : 0;
  return (
    <div role="status">
      <Progress label="Progress" value={done} max={row?.rows || 1} />
      <p className="muted small">
        {row
          ? `${formatNumber(done)} of ${plural(row.rows, 'row')}${row.dry_run ? ' judged' : ''}`
          : 'Sending the file…'}
      </p>
    </div>
  );
}

/** Words for what a row became, by what the rows are. */
export interface OutcomeWords {
  accepted: string;
  duplicates: string;
}

const WORDS: OutcomeWords = { accepted: 'Accepted', duplicates: 'Already there' };

export function ImportOutcome({ row, words = WORDS }: { row: Import; words?: OutcomeWords }) {
  return (
    <div className="stack" role="status">
      <div className="stats">
        <Stat label={words.accepted} figure={formatNumber(row.accepted)} />
        <Stat label={words.duplicates} figure={formatNumber(row.duplicates)} />
        <Stat label="Rejected" figure={formatNumber(row.rejected)} />
      </div>
      <Problem>{row.state === 'failed' ? (row.last_error ?? 'It failed.') : undefined}</Problem>
      {row.rejected > 0 && <Rejected row={row} />}
    </div>
  );
}

function Rejected({ row }: { row: Import }) {
  const { path } = useApplication();
  const first = row.first_rejected ?? [];
  return (
    <div className="stack" style={{ '--gap': '8px' } as React.CSSProperties}>
      <div className="row spread wrap">
        <h3>{row.rejected > first.length ? 'The first rejected rows' : 'Rejected rows'}</h3>
        <DownloadButton small path={path(`imports/${row.id}/rejected/`)} name={`rejected-${row.id}.csv`}>
          {row.rejected > first.length ? `Download all ${formatNumber(row.rejected)}` : 'Download them'}
        </DownloadButton>
      </div>
      {first.length > 0 && (
        <div className="text-block" tabIndex={0} role="region" aria-label="Rejected rows">
          <ul className="rejected">
            {first.map(({ line, reason, row: text }) => (
              <li key={line}>
                <span className="faint numeric">line {formatNumber(line)}</span> <span className="name">{reason}</span>
                <code className="name">{text}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
