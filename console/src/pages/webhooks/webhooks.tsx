// The systems that are told what happens here, and how they are doing.

import { useState } from 'react';
import { IconPlus, IconWebhook } from '@tabler/icons-react';
import type { Webhook } from '@grandstand/sdk/server';
import { Link, useLocation } from 'wouter';
import { plural } from '../../format.ts';
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
import { WebhookForm } from './form.tsx';
import { nameOf, STATUSES } from './words.ts';

const COLUMNS: Column[] = [
  { head: 'Endpoint', skeleton: '50%' },
  { head: 'Health', skeleton: 70 },
  { head: 'Told of', skeleton: 110 },
  { head: 'Last taken', skeleton: 80, className: 'right' },
];

export default function WebhooksPage() {
  const application = useApplication();
  const [, navigate] = useLocation();
  const [params, set] = useViewParams();
  const path = application.path('webhooks/');
  const webhooks = useGet<Page<Webhook>>(
    path,
    { page_size: 25, cursor: params.get('cursor') ?? '' },
    { every: 10_000 },
  );
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<(Webhook & { secret: string }) | undefined>(undefined);
  const create = application.canManage && (
    <Button look="primary" icon={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      New webhook
    </Button>
  );
  return (
    <>
      <PageHead title="Webhooks" actions={create}>
        Addresses of yours that are told what happens here, within a second, in order, and until they take it.
      </PageHead>
      <section className="card" aria-label="List of webhooks">
        <Table
          columns={COLUMNS}
          rows={webhooks.data?.results}
          of={webhooks}
          loading={3}
          empty={
            <Empty icon={<IconWebhook size={34} aria-hidden />} title="Nothing is told elsewhere yet">
              Who enters and leaves a group can go to your CRM, your chat or your own back end. Each message is signed,
              and nothing is lost while the other side is away.
            </Empty>
          }
        >
          {(webhook) => <Row key={webhook.id} webhook={webhook} />}
        </Table>
        {webhooks.data && <Pager page={webhooks.data} noun="webhook" onCursor={(cursor) => set({ cursor })} />}
      </section>
      {creating && <WebhookForm onClose={() => setCreating(false)} onCreated={setMade} />}
      {made && (
        <ShownOnce
          title="The webhook’s secret"
          noun="secret"
          text={made.secret}
          onClose={() => navigate(application.href(`webhooks/${made.id}`))}
        >
          Your side verifies every message with it. It is shown here and nowhere else: copy it now and keep it where
          your back end keeps its secrets.
        </ShownOnce>
      )}
    </>
  );
}

function Row({ webhook }: { webhook: Webhook }) {
  const { href } = useApplication();
  const { status, last_success_at: taken, oldest_undelivered_at: oldest } = webhook.state;
  const { tone, label } = STATUSES[status] ?? { tone: 'plain' as const, label: status };
  return (
    <tr className="linked">
      <td>
        <Link href={href(`webhooks/${webhook.id}`)} className="row-link name">
          <bdi>{nameOf(webhook)}</bdi>
        </Link>
        <div className="muted small mono name">{webhook.url}</div>
      </td>
      <td className="fit">
        <Badge tone={tone} dot title={webhook.state.last_error ?? undefined}>
          {label}
        </Badge>
        {oldest !== null && (
          <div className="muted small">
            waits since <Time at={oldest} ago />
          </div>
        )}
      </td>
      <td className="muted hide-narrow">
        {webhook.events === null ? 'everything' : plural(webhook.events.length, 'event')}
        {webhook.groups !== null && ` of ${plural(webhook.groups.length, 'group')}`}
      </td>
      <td className="fit right muted hide-narrow">{taken === null ? 'never' : <Time at={taken} ago />}</td>
    </tr>
  );
}
