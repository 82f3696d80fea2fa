// How a webhook is doing: what is wrong, since when, what happens by itself and what is to be done.

import type { ReactNode } from 'react';
import { IconAlertTriangle, IconPower } from '@tabler/icons-react';
import type { Webhook } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import { Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { toast } from '../../ui/toast.tsx';

export function Health({ webhook }: { webhook: Webhook }) {
  const { status, since, last_success_at: taken, last_error: error, oldest_undelivered_at: oldest } = webhook.state;
  if (status === 'healthy') return null;
  const told = (
    <dl className="facts">
      <dt>{status === 'disabled' ? 'Off since' : 'Failing since'}</dt>
      <dd>
        <Time at={since} /> (<Time at={since} ago />)
      </dd>
      <dt>Last taken</dt>
      <dd>{taken === null ? 'never' : <Time at={taken} />}</dd>
      {oldest !== null && (
        <>
          <dt>Waits since</dt>
          <dd>
            <Time at={oldest} />
          </dd>
        </>
      )}
      {error !== null && (
        <>
          <dt>Last error</dt>
          <dd className="name">{error}</dd>
        </>
      )}
    </dl>
  );
  if (status === 'failing') {
    return (
      <Notice title="What is sent is not taken" tone="warn" facts={told}>
        It is tried again by itself, at longer and longer intervals up to three hours, and everything that happens
        meanwhile waits in order. After five days without success it is turned off; nothing is lost even then.
      </Notice>
    );
  }
  return (
    <Notice title="Nothing is sent" tone="bad" facts={told} action={<TurnOn webhook={webhook} />}>
      {error === null
        ? 'This webhook was turned off by a person.'
        : 'This webhook was turned off by itself: its receiver answered 410, or took nothing for five days.'}{' '}
      What happens meanwhile is kept: turned on again, it goes on where it ended.
    </Notice>
  );
}

function Notice({
  title,
  tone,
  facts,
  action,
  children,
}: {
  title: string;
  tone: 'warn' | 'bad';
  facts: ReactNode;
  action?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className={`card pad notice ${tone}`} aria-label={title}>
      <IconAlertTriangle size={20} aria-hidden />
      <div className="stack">
        <div>
          <h2>{title}</h2>
          <p className="muted">{children}</p>
        </div>
        {facts}
        {action && <div className="row">{action}</div>}
      </div>
    </section>
  );
}

function TurnOn({ webhook }: { webhook: Webhook }) {
  const { path, canManage } = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  if (!canManage) return null;
  const run = (): void => {
    client
      .request(path(`webhooks/${webhook.id}/`), { method: 'PATCH', body: { is_active: true } })
      .then(() => invalidate(path('webhooks/')))
      .then(
        () => toast('It goes on where it ended.'),
        (error: unknown) => toast(messageOf(error)),
      );
  };
  return (
    <Button look="primary" icon={<IconPower size={16} aria-hidden />} onClick={run}>
      Turn it on
    </Button>
  );
}
