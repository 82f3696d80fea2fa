// One message to a webhook: every attempt with what was answered, the body that was sent, and sending it once more.

import { useState } from 'react';
import { IconRefresh } from '@tabler/icons-react';
import type { Webhook, WebhookDelivery } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { formatMoment, formatNumber } from '../../format.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import { Badge, Skeleton, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { CopyButton, Id } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { DELIVERY_STATES } from './words.ts';

type Attempt = WebhookDelivery['attempts'][number];

interface DeliveryDialogProps {
  webhook: Webhook;
  delivery: WebhookDelivery;
  title?: string;
  onClose: () => void;
}

export function DeliveryDialog({ webhook, delivery, title, onClose }: DeliveryDialogProps) {
  const { path, canManage } = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const address = path(`webhooks/${webhook.id}/deliveries/${delivery.id}/`);
  const { data } = useGet<WebhookDelivery>(address, {}, { every: 5_000, keep: false });
  const [again, setAgain] = useState<WebhookDelivery | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const shown = again ?? data ?? delivery;
  const body = data?.body ?? delivery.body;
  const { tone, label } = DELIVERY_STATES[shown.state] ?? { tone: 'plain' as const, label: shown.state };
  const retry = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      setAgain(await client.request<WebhookDelivery>(`${address}retry/`, { method: 'POST', body: {}, reads: true }));
      await invalidate(path(`webhooks/${webhook.id}/`));
    } catch (error) {
      setProblem(messageOf(error));
    }
    setBusy(false);
  };
  return (
    <Dialog
      title={title ?? delivery.event}
      wide
      onClose={onClose}
      problem={problem}
      foot={
        <>
          {canManage && (
            <Button icon={<IconRefresh size={16} aria-hidden />} busy={busy} onClick={() => void retry()}>
              {busy ? 'Sending…' : 'Send it again'}
            </Button>
          )}
          <Button look="primary" onClick={onClose}>
            Close
          </Button>
        </>
      }
    >
      <div className="row wrap" role="status">
        <Badge tone={tone} dot>
          {label}
        </Badge>
        {shown.next_attempt_at !== null && (
          <span className="muted">
            tried again <Time at={shown.next_attempt_at} ago />
          </span>
        )}
        <Id value={shown.id} label="id" />
      </div>
      <ol className="attempts" aria-label="Attempts">
        {shown.attempts.map((attempt) => (
          <AttemptItem key={attempt.at} attempt={attempt} />
        ))}
        {shown.attempts.length === 0 && <li className="muted">It was not sent yet.</li>}
      </ol>
      <div className="stack" style={{ '--gap': '8px' } as React.CSSProperties}>
        <div className="row spread">
          <h3 id="body-heading">What was sent</h3>
          {body && <CopyButton text={body} label="Copy" iconOnly={false} />}
        </div>
        {body === undefined ? (
          <Skeleton width="70%" />
        ) : body === null ? (
          <p className="muted">The feed does not reach back to it any more.</p>
        ) : (
          <pre className="text-block small" tabIndex={0} role="region" aria-labelledby="body-heading">
            {pretty(body)}
          </pre>
        )}
      </div>
    </Dialog>
  );
}

function AttemptItem({ attempt: { at, status, error, duration_ms: ms, answer } }: { attempt: Attempt }) {
  return (
    <li>
      <div className="row wrap">
        <Badge tone={error === null ? 'good' : 'bad'}>{status ?? 'No answer'}</Badge>
        <span className="muted numeric">
          <Time at={at} /> · {formatNumber(Math.round(ms))} ms
        </span>
      </div>
      {error !== null && <p className="name">{error}</p>}
      {answer !== '' && (
        <pre className="text-block small" tabIndex={0} role="region" aria-label={`The answer of ${formatMoment(at)}`}>
          {answer}
        </pre>
      )}
    </li>
  );
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
