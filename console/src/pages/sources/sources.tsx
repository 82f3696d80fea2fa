// The systems that send what fans do, each by a key of its own.

import { useState } from 'react';
import { IconPlugConnected, IconPlus } from '@tabler/icons-react';
import type { Source } from '@grandstand/sdk/server';
import { Link, useLocation } from 'wouter';
import { formatNumber } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Badge, Empty, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Pager } from '../../ui/pager.tsx';
import { ShownOnce } from '../../ui/shown-once.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { SourceForm } from './form.tsx';
import { KINDS, TRUSTS } from './words.ts';

const COLUMNS: Column[] = [
  { head: 'Source', skeleton: '50%' },
  { head: 'Trusted as', skeleton: 90 },
  { head: 'Problems', skeleton: 60, className: 'right' },
  { head: 'Last sent', skeleton: 80, className: 'right' },
];

export default function SourcesPage() {
  const application = useApplication();
  const [, navigate] = useLocation();
  const [params, set] = useViewParams();
  const query = { page_size: 25, cursor: params.get('cursor') ?? '' };
  const sources = useGet<Page<Source>>(application.path('sources/'), query, { every: 10_000 });
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<(Source & { write_key: string }) | undefined>(undefined);
  const leave = (source: Source): void => navigate(application.href(`sources/${source.id}`));
  return (
    <>
      <PageHead
        title="Sources"
        actions={
          application.canManage && (
            <Button look="primary" icon={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              New source
            </Button>
          )
        }
      >
        Systems that send what fans do in a form of their own: Segment, RudderStack, LiveLike.
      </PageHead>
      <section className="card" aria-label="List of sources">
        <Table
          columns={COLUMNS}
          rows={sources.data?.results}
          of={sources}
          loading={3}
          empty={
            <Empty icon={<IconPlugConnected size={34} aria-hidden />} title="Nothing else sends here yet">
              The clients of Segment and RudderStack send here unchanged but for their host, and so do LiveLike’s
              webhooks. Each gets a key of its own.
            </Empty>
          }
        >
          {(source) => (
            <tr key={source.id} className="linked">
              <td>
                <Link href={application.href(`sources/${source.id}`)} className="row-link name">
                  <bdi>{source.name}</bdi>
                </Link>
                <div className="muted small">{KINDS[source.kind] ?? source.kind}</div>
              </td>
              <td className="fit muted hide-narrow">{TRUSTS[source.trust] ?? source.trust}</td>
              <td className="fit right">
                {source.problems > 0 ? <Badge tone="warn">{formatNumber(source.problems)}</Badge> : 'none'}
              </td>
              <td className="fit right muted hide-narrow">
                {source.last_received_at === null ? 'never' : <Time at={source.last_received_at} ago />}
              </td>
            </tr>
          )}
        </Table>
        {sources.data && <Pager page={sources.data} noun="source" onCursor={(cursor) => set({ cursor })} />}
      </section>
      {creating && (
        <SourceForm
          onClose={() => setCreating(false)}
          onCreated={(source) => (source.kind === 'livelike' ? leave(source) : setMade(source))}
        />
      )}
      {made && (
        <ShownOnce title="The source’s write key" noun="key" text={made.write_key} onClose={() => leave(made)}>
          Give it to the sending system, with {made.endpoint} as its host. It is shown here and nowhere else.
        </ShownOnce>
      )}
    </>
  );
}
