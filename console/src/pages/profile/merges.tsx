// What was merged into a profile: ids that lead to it since, and what still comes over.

import type { Merge } from '@grandstand/sdk/server';
import { plural } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Page, Profile } from '../../types.ts';
import { Badge, Time } from '../../ui/bits.tsx';
import { Id } from '../../ui/copy.tsx';

const SHOWN = 20;

export function Merges({ profile }: { profile: Profile }) {
  const { path } = useApplication();
  const merges = useGet<Page<Merge>>(
    path(`profiles/${profile.id}/merges/`),
    { page_size: SHOWN },
    { every: (page) => (page?.results.some(({ state }) => state !== 'merged') ? 2_000 : 30_000), keep: false },
  );
  const rows = merges.data?.results ?? [];
  if (rows.length === 0) return null;
  return (
    <section className="card pad stack" aria-labelledby="merges-heading">
      <h2 id="merges-heading">Merged into it</h2>
      <ul className="stack" style={{ '--gap': '12px' } as React.CSSProperties}>
        {rows.map((merge) => (
          <li key={merge.id}>
            <Id value={merge.id} label="id" />
            {merge.custom_id !== null && <div className="mono small name">{merge.custom_id}</div>}
            <div className="muted small">
              <Time at={merge.merged_at} /> by {merge.merged_by.replace(/^(token|producer):/, '')};{' '}
              {plural(merge.activities, 'activity', 'activities')} came along
            </div>
            {merge.state !== 'merged' && (
              <Badge tone="info" dot title="Everything reads as if that were done.">
                Its history is still coming over: {Math.floor(merge.progress * 100)} %
              </Badge>
            )}
          </li>
        ))}
      </ul>
      {merges.data?.next && <p className="muted small">The newest {SHOWN} are shown.</p>}
    </section>
  );
}
