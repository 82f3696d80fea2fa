// One source: what arrives and what is refused, as it comes, beside the mapping that decides it.

import { useState } from 'react';
import { IconKey, IconTrash } from '@tabler/icons-react';
import type { Source, SourceItem } from '@grandstand/sdk/server';
import { useLocation, useParams } from 'wouter';
import { ApiError } from '../../api.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Badge, Empty, Failed, Skeleton, Time } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Choices } from '../../ui/field.tsx';
import { Menu } from '../../ui/menu.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { ShownOnce } from '../../ui/shown-once.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { toast } from '../../ui/toast.tsx';
import { ChangeSecret } from './change-secret.tsx';
import { draftOf, MappingEditor, type Draft } from './mapping.tsx';
import { KINDS, OUTCOMES, pretty, TRUSTS } from './words.ts';

export default function SourcePage() {
  const { source_id: id = '' } = useParams();
  const application = useApplication();
  const path = application.path(`sources/${encodeURIComponent(id)}/`);
  const source = useGet<Source>(path, {}, { every: 5_000, keep: false });
  const [draft, setDraft] = useState<Draft | undefined>(undefined);
  const back = { href: application.href('sources'), label: 'Sources' };
  if (!source.data) {
    const gone = source.error instanceof ApiError && source.error.status === 404;
    return (
      <>
        <PageHead title={gone ? 'No such source' : 'Source'} back={back} />
        <section className="card">
          {gone ? (
            <Empty title="There is no such source" action={<ButtonLink href={back.href}>All sources</ButtonLink>}>
              It may have been deleted, or the address is not complete.
            </Empty>
          ) : source.isError ? (
            <Failed error={source.error} retry={() => void source.refetch()} />
          ) : (
            <div className="pad">
              <Skeleton width="40%" height={20} />
            </div>
          )}
        </section>
      </>
    );
  }
  const shown = draft ?? draftOf(source.data.mapping);
  const mapEvent = (name: string): void => {
    if (!shown.events.some(({ from }) => from === name))
      setDraft({ ...shown, events: [...shown.events, { from: name, to: '' }] });
    toast('The event is in the mapping now: say what it becomes, and save.');
  };
  return (
    <>
      <PageHead
        title={source.data.name}
        back={back}
        actions={application.canManage && <Actions source={source.data} />}
      >
        {KINDS[source.data.kind] ?? source.data.kind}, trusted as {TRUSTS[source.data.trust] ?? source.data.trust}.{' '}
        {source.data.kind === 'livelike' ? 'Its address' : 'Its host'}: <code>{source.data.endpoint}</code>{' '}
        <CopyButton text={source.data.endpoint} label="Copy the address" />
      </PageHead>
      <div className="columns">
        <Arrivals source={source.data} onMap={application.canManage ? mapEvent : undefined} />
        <MappingEditor source={source.data} draft={shown} setDraft={setDraft} />
      </div>
    </>
  );
}

const COLUMNS: Column[] = [
  { head: 'Call', skeleton: '50%' },
  { head: 'Outcome', skeleton: 80 },
  { head: 'When', skeleton: 60, className: 'right' },
];

function Arrivals({ source, onMap }: { source: Source; onMap: ((name: string) => void) | undefined }) {
  const { path } = useApplication();
  const [only, setOnly] = useState('recent');
  const [open, setOpen] = useState<SourceItem | undefined>(undefined);
  const items = useGet<Page<SourceItem>>(
    path(`sources/${source.id}/${only}/`),
    { page_size: 50, count: 'false' },
    { every: 2_000 },
  );
  const name = (item: SourceItem): string => (source.kind === 'livelike' ? item.call : (item.name ?? ''));
  return (
    <section className="card" aria-label="What arrives">
      <div className="pad">
        <Choices<string>
          label="What is shown"
          value={only}
          onChange={setOnly}
          choices={[
            { value: 'recent', label: 'What arrives' },
            { value: 'problems', label: 'Problems' },
          ]}
        />
      </div>
      <Table
        columns={COLUMNS}
        rows={items.data?.results}
        of={items}
        loading={4}
        empty={<Empty title="Nothing yet">What it sends shows here within seconds, and why it was refused.</Empty>}
      >
        {(item) => {
          const { tone, label } = OUTCOMES[item.outcome] ?? { tone: 'plain' as const, label: item.outcome };
          return (
            <tr key={`${item.at} ${item.outcome} ${item.item}`}>
              <td>
                <button type="button" className="link name" onClick={() => setOpen(item)}>
                  {item.call}
                  {item.name !== null && ` · ${item.name}`}
                </button>
                {item.reason !== null && <div className="muted small name">{item.reason}</div>}
              </td>
              <td className="fit">
                <Badge tone={tone} dot>
                  {label}
                </Badge>
              </td>
              <td className="fit right muted">
                <Time at={item.at} ago every={2_000} />
              </td>
            </tr>
          );
        }}
      </Table>
      {open && (
        <Dialog
          title={open.name === null ? open.call : `${open.call} · ${open.name}`}
          wide
          onClose={() => setOpen(undefined)}
          foot={
            onMap &&
            name(open) !== '' && (
              <Button
                look="primary"
                onClick={() => {
                  onMap(name(open));
                  setOpen(undefined);
                }}
              >
                Map this event
              </Button>
            )
          }
        >
          {open.reason !== null && <p>{open.reason}</p>}
          <pre className="mono small" tabIndex={0}>
            {pretty(open)}
          </pre>
        </Dialog>
      )}
    </section>
  );
}

function Actions({ source }: { source: Source }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<'rotate' | 'delete' | undefined>(undefined);
  const [key, setKey] = useState<string | undefined>(undefined);
  const list = application.path('sources/');
  const path = `${list}${source.id}/`;
  const close = (): void => setAsking(undefined);
  return (
    <>
      <Menu label="More about this source">
        <button type="button" onClick={() => setAsking('rotate')}>
          <IconKey size={16} aria-hidden />{' '}
          {source.kind === 'segment' ? 'Rotate the key…' : 'Change the client secret…'}
        </button>
        <button type="button" className="danger" onClick={() => setAsking('delete')}>
          <IconTrash size={16} aria-hidden /> Delete…
        </button>
      </Menu>
      {asking === 'rotate' && source.kind === 'livelike' && <ChangeSecret path={path} onClose={close} />}
      {asking === 'rotate' && source.kind === 'segment' && (
        <Confirm
          title="Rotate the key?"
          action="Create a new key"
          onClose={close}
          run={async () => {
            const answer = await client.request<{ write_key: string }>(`${path}rotate-key/`, {
              method: 'POST',
              body: {},
            });
            setKey(answer.write_key);
          }}
        >
          For 24 hours both keys are taken, so that senders can change over.
        </Confirm>
      )}
      {asking === 'delete' && (
        <Confirm
          title="Delete this source?"
          action="Delete for good"
          name={source.name}
          onClose={close}
          run={async () => {
            await client.request(path, { method: 'DELETE' });
            toast('The source was deleted.');
            navigate(application.href('sources'));
            await invalidate(list);
          }}
        >
          Its key is refused from then on. What it sent stays.
        </Confirm>
      )}
      {key !== undefined && (
        <ShownOnce title="The new key" noun="key" text={key} onClose={() => setKey(undefined)}>
          It is shown here and nowhere else. The old one is taken for another 24 hours.
        </ShownOnce>
      )}
    </>
  );
}
