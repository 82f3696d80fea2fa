// What was sent to a webhook in the last seven days, newest first.

import { useState } from 'react';
import { IconSend } from '@tabler/icons-react';
import type { Webhook, WebhookDelivery } from '@grandstand/sdk/server';
import { formatNumber, plural } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Badge, Empty, Time } from '../../ui/bits.tsx';
import { Pager } from '../../ui/pager.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { DeliveryDialog } from './delivery.tsx';
import { DELIVERY_STATES, EVENTS, outcomeOf } from './words.ts';

const COLUMNS: Column[] = [
  { head: 'Event', skeleton: '60%' },
  { head: 'State', skeleton: 70 },
  { head: 'Answer', skeleton: 60 },
  { head: 'Sent', skeleton: 80, className: 'right' },
];

export function Deliveries({ webhook }: { webhook: Webhook }) {
  const { path } = useApplication();
  const [params, set] = useViewParams();
  const [open, setOpen] = useState<WebhookDelivery | undefined>(undefined);
  const state = params.get('state') ?? '';
  const event = params.get('event') ?? '';
  const deliveries = useGet<Page<WebhookDelivery>>(
    path(`webhooks/${webhook.id}/deliveries/`),
    { state, event, cursor: params.get('cursor') ?? '', page_size: 25 },
    { every: 5_000 },
  );
  const isFiltered = state !== '' || event !== '';
  return (
    <section className="card" aria-labelledby="deliveries-heading">
      <div className="card-head">
        <h2 id="deliveries-heading">Messages</h2>
        <div className="row wrap">
          <select
            className="select auto"
            aria-label="State"
            value={state}
            onChange={(choice) => set({ state: choice.target.value })}
          >
            <option value="">Any state</option>
            {Object.entries(DELIVERY_STATES).map(([value, { label }]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
          <select
            className="select auto"
            aria-label="Event"
            value={event}
            onChange={(choice) => set({ event: choice.target.value })}
          >
            <option value="">Any event</option>
            {[...EVENTS.map(([name]) => name), 'test'].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </div>
      </div>
      <Table
        columns={COLUMNS}
        rows={deliveries.data?.results}
        of={deliveries}
        empty={
          <Empty
            icon={<IconSend size={30} aria-hidden />}
            title={isFiltered ? 'None of these' : 'Nothing was sent yet'}
          >
            {isFiltered
              ? 'Nothing of the last seven days is like this.'
              : 'What happens from now on is sent at once. Send a test to see whether your side takes it.'}
          </Empty>
        }
      >
        {(delivery) => <Row key={delivery.id} delivery={delivery} onOpen={() => setOpen(delivery)} />}
      </Table>
      {deliveries.data && <Pager page={deliveries.data} noun="message" onCursor={(cursor) => set({ cursor })} />}
      {open && <DeliveryDialog webhook={webhook} delivery={open} onClose={() => setOpen(undefined)} />}
    </section>
  );
}

function Row({ delivery, onOpen }: { delivery: WebhookDelivery; onOpen: () => void }) {
  const { tone, label } = DELIVERY_STATES[delivery.state] ?? { tone: 'plain' as const, label: delivery.state };
  const last = delivery.attempts.at(-1);
  const { first_sequence: first, last_sequence: until } = delivery;
  return (
    <tr className="linked">
      <td>
        <button type="button" className="plain-button row-link mono" onClick={onOpen}>
          {delivery.event}
        </button>
        {first !== null && until !== null && (
          <div className="muted small numeric">
            {first === until
              ? `number ${formatNumber(first)} of its feed`
              : `numbers ${formatNumber(first)} to ${formatNumber(until)} of its feed`}
          </div>
        )}
      </td>
      <td className="fit">
        <Badge tone={tone}>{label}</Badge>
        {delivery.attempts.length > 1 && (
          <div className="muted small">{plural(delivery.attempts.length, 'attempt')}</div>
        )}
      </td>
      <td className="cell-id hide-narrow">
        <span className="truncate" title={last?.error ?? undefined}>
          {outcomeOf(delivery)}
        </span>
        {last && <span className="muted small numeric">{formatNumber(Math.round(last.duration_ms))} ms</span>}
      </td>
      <td className="fit right muted">
        <Time at={last?.at ?? delivery.created_at} ago />
      </td>
    </tr>
  );
}
