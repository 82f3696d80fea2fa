// One webhook: how it is doing and why, what it is told, what was sent to it.

import { useState } from 'react';
import { IconHistory, IconKey, IconPencil, IconPower, IconSend, IconTrash } from '@tabler/icons-react';
import type { Webhook, WebhookDelivery } from '@grandstand/sdk/server';
import { Link, useLocation, useParams } from 'wouter';
import { ApiError, fieldsOf, messageOf, restOf } from '../../api.ts';
import { useGet, useInvalidate, useSend } from '../../queries.ts';
import { fromLocalInput } from '../../rules/value-input.tsx';
import { useGroupNames } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import { Badge, Empty, Failed, Skeleton, Time } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { Menu } from '../../ui/menu.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { ShownOnce } from '../../ui/shown-once.tsx';
import { toast } from '../../ui/toast.tsx';
import { Deliveries } from './deliveries.tsx';
import { DeliveryDialog } from './delivery.tsx';
import { WebhookForm } from './form.tsx';
import { Health } from './health.tsx';
import { EVENTS, nameOf, STATUSES } from './words.ts';

export default function WebhookPage() {
  const { webhook_id: id = '' } = useParams();
  const application = useApplication();
  const path = application.path(`webhooks/${encodeURIComponent(id)}/`);
  const webhook = useGet<Webhook>(path, {}, { every: 5_000, keep: false });
  const back = { href: application.href('webhooks'), label: 'Webhooks' };
  if (!webhook.data) {
    const gone = webhook.error instanceof ApiError && webhook.error.status === 404;
    return (
      <>
        <PageHead title={gone ? 'No such webhook' : 'Webhook'} back={back} />
        <section className="card">
          {gone ? (
            <Empty title="There is no such webhook" action={<ButtonLink href={back.href}>All webhooks</ButtonLink>}>
              It may have been deleted, or the address is not complete.
            </Empty>
          ) : webhook.isError ? (
            <Failed error={webhook.error} retry={() => void webhook.refetch()} />
          ) : (
            <div className="pad">
              <Skeleton width="40%" height={20} />
            </div>
          )}
        </section>
      </>
    );
  }
  const { tone, label } = STATUSES[webhook.data.state.status] ?? { tone: 'plain' as const, label: 'Unknown' };
  return (
    <>
      <PageHead
        title={nameOf(webhook.data)}
        back={back}
        beside={
          <Badge tone={tone} dot>
            {label}
          </Badge>
        }
        actions={application.canManage && <Actions webhook={webhook.data} />}
      />
      <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
        <Health webhook={webhook.data} />
        <div className="columns">
          <Deliveries webhook={webhook.data} />
          <Settings webhook={webhook.data} />
        </div>
      </div>
    </>
  );
}

function Settings({ webhook }: { webhook: Webhook }) {
  const { href } = useApplication();
  const name = useGroupNames(webhook.groups ?? []);
  const labels = new Map(EVENTS);
  return (
    <section className="card pad stack" aria-labelledby="settings-heading">
      <h2 id="settings-heading">Settings</h2>
      <dl className="facts">
        <dt>Address</dt>
        <dd className="row">
          <code className="name">{webhook.url}</code>
          <CopyButton text={webhook.url} label="Copy the address" />
        </dd>
        <dt>Told of</dt>
        <dd>
          {webhook.events === null
            ? 'everything'
            : webhook.events.map((event) => <div key={event}>{labels.get(event) ?? event}</div>)}
        </dd>
        <dt>Groups</dt>
        <dd>
          {webhook.groups === null
            ? 'all'
            : webhook.groups.map((group) => (
                <div key={group}>
                  <Link href={href(`groups/${encodeURIComponent(group)}`)} className="name">
                    <bdi>{name(group)}</bdi>
                  </Link>
                </div>
              ))}
        </dd>
        <dt>Rules, lists</dt>
        <dd>{webhook.switches === 'summary' ? 'one message with the numbers' : 'told change by change'}</dd>
        <dt>Created</dt>
        <dd>
          <Time at={webhook.created_at} />
        </dd>
      </dl>
    </section>
  );
}

type Asking = 'edit' | 'rotate' | 'rewind' | 'off' | 'delete';

function Actions({ webhook }: { webhook: Webhook }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<Asking | undefined>(undefined);
  const [secret, setSecret] = useState<string | undefined>(undefined);
  const [tested, setTested] = useState<WebhookDelivery | undefined>(undefined);
  const [testing, setTesting] = useState(false);
  const list = application.path('webhooks/');
  const path = `${list}${webhook.id}/`;
  const close = (): void => setAsking(undefined);
  const turn = (isActive: boolean): Promise<unknown> =>
    client.request(path, { method: 'PATCH', body: { is_active: isActive } }).then(() => invalidate(list));
  const test = async (): Promise<void> => {
    setTesting(true);
    try {
      setTested(await client.request<WebhookDelivery>(`${path}test/`, { method: 'POST', body: {}, reads: true }));
      await invalidate(path);
    } catch (error) {
      toast(messageOf(error));
    }
    setTesting(false);
  };
  return (
    <>
      <Button icon={<IconSend size={16} aria-hidden />} busy={testing} onClick={() => void test()}>
        {testing ? 'Sending…' : 'Send a test'}
      </Button>
      <Button icon={<IconPencil size={16} aria-hidden />} onClick={() => setAsking('edit')}>
        Edit
      </Button>
      <Menu label="More about this webhook">
        <button type="button" onClick={() => setAsking('rewind')}>
          <IconHistory size={16} aria-hidden /> Tell again since…
        </button>
        <button type="button" onClick={() => setAsking('rotate')}>
          <IconKey size={16} aria-hidden /> Rotate the secret…
        </button>
        {webhook.is_active ? (
          <button type="button" onClick={() => setAsking('off')}>
            <IconPower size={16} aria-hidden /> Turn off…
          </button>
        ) : (
          <button
            type="button"
            onClick={() => {
              turn(true).then(
                () => toast('It goes on where it ended.'),
                (error: unknown) => toast(messageOf(error)),
              );
            }}
          >
            <IconPower size={16} aria-hidden /> Turn on
          </button>
        )}
        <hr />
        <button type="button" className="danger" onClick={() => setAsking('delete')}>
          <IconTrash size={16} aria-hidden /> Delete…
        </button>
      </Menu>
      {asking === 'edit' && <WebhookForm webhook={webhook} onClose={close} />}
      {asking === 'rewind' && <Rewind webhook={webhook} onClose={close} />}
      {asking === 'rotate' && (
        <Confirm
          title="Rotate the secret?"
          action="Create a new secret"
          onClose={close}
          run={async () => {
            const answer = await client.request<{ secret: string }>(`${path}rotate-secret/`, {
              method: 'POST',
              body: {},
            });
            setSecret(answer.secret);
          }}
        >
          For 24 hours messages are signed with both, so that your side can change over without losing one.
        </Confirm>
      )}
      {asking === 'off' && (
        <Confirm
          title="Turn this webhook off?"
          action="Turn it off"
          onClose={close}
          run={async () => {
            await turn(false);
            toast('It is off. Nothing is lost: turned on again, it goes on where it ended.');
          }}
        >
          Nothing is sent until it is turned on again. Its position stays, so nothing is lost.
        </Confirm>
      )}
      {asking === 'delete' && (
        <Confirm
          title="Delete this webhook?"
          action="Delete for good"
          name={nameOf(webhook)}
          onClose={close}
          run={async () => {
            await client.request(path, { method: 'DELETE' });
            toast('The webhook was deleted.');
            navigate(application.href('webhooks'));
            await invalidate(list);
          }}
        >
          Its position and what was sent go with it. To pause it, turn it off instead.
        </Confirm>
      )}
      {secret !== undefined && (
        <ShownOnce title="The new secret" noun="secret" text={secret} onClose={() => setSecret(undefined)}>
          It is shown here and nowhere else. The old one signs beside it for another 24 hours.
        </ShownOnce>
      )}
      {tested && (
        <DeliveryDialog webhook={webhook} delivery={tested} title="The test" onClose={() => setTested(undefined)} />
      )}
    </>
  );
}

function Rewind({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const { path } = useApplication();
  const [since, setSince] = useState('');
  const send = useSend<undefined>(
    (client) =>
      client.request(path(`webhooks/${webhook.id}/rewind/`), {
        method: 'POST',
        body: { since: fromLocalInput(since) ?? '' },
      }),
    () => [path('webhooks/')],
  );
  return (
    <Dialog
      title="Tell again since…"
      action="Tell it again"
      busy={send.isPending}
      problem={restOf(send.error, ['since'])}
      onClose={onClose}
      onSubmit={() =>
        send.mutate(undefined, {
          onSuccess: () => {
            onClose();
            toast('It is being told again from there.');
          },
        })
      }
    >
      <p className="muted">
        For a receiver that lost what it had taken. Everything since then is sent once more, as far as the feeds reach;
        up to a minute before it may come too.
      </p>
      <TextField
        label="Since"
        type="datetime-local"
        hint="In your time zone."
        value={since}
        errors={fieldsOf(send.error)['since']}
        autoFocus
        onChange={(event) => setSince(event.target.value)}
      />
    </Dialog>
  );
}
