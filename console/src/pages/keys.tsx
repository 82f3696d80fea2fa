// What programs sign in with: the client id, the client secret, admin tokens.

import { useState } from 'react';
import { IconEye, IconEyeOff, IconKey, IconPlus, IconRefresh } from '@tabler/icons-react';
import { fieldsOf, messageOf, restOf } from '../api.ts';
import { useGet, useInvalidate, useSend } from '../queries.ts';
import { fromLocalInput } from '../rules/value-input.tsx';
import { useApplication, useSession } from '../session.tsx';
import type { AdminToken } from '../types.ts';
import { Badge, Empty, Time } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { CheckField, SelectField, TextField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { ACTIONS, Table, type Column } from '../ui/table.tsx';
import { toast } from '../ui/toast.tsx';
import { ShownOnce } from '../ui/shown-once.tsx';

export function KeysPage() {
  const application = useApplication();
  return (
    <>
      <PageHead title="Keys and tokens">What your apps and your back end sign in with.</PageHead>
      <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
        <section className="card pad stack" aria-labelledby="client-heading">
          <h2 id="client-heading">Client</h2>
          <dl className="facts">
            <dt>Client id</dt>
            <dd className="row">
              <code className="name">{application.client_id}</code>
              <CopyButton text={application.client_id} label="Copy the client id" />
            </dd>
            {application.isOwner && (
              <>
                <dt>Client secret</dt>
                <dd>
                  <ClientSecret />
                </dd>
              </>
            )}
          </dl>
          <p className="muted small">
            The client id is public: apps are built with it. The secret signs tokens for your own accounts and stays on
            your back end.
          </p>
        </section>
        {application.isOwner && <TimeZone />}
        {application.isOwner && <SearchByFans />}
        <AdminTokens />
      </div>
    </>
  );
}

function ClientSecret() {
  const application = useApplication();
  const { client } = useSession();
  const [secret, setSecret] = useState<string | undefined>(undefined);
  const [rotating, setRotating] = useState(false);
  const path = application.path('client-secret/');
  const show = (): void => {
    client.request<{ client_secret: string }>(path).then(
      (answer) => setSecret(answer.client_secret),
      (error: unknown) => toast(messageOf(error)),
    );
  };
  return (
    <div className="row wrap">
      <code className="name secret">{secret ?? '••••••••••••••••'}</code>
      {secret === undefined ? (
        <Button small icon={<IconEye size={15} aria-hidden />} onClick={show}>
          Show
        </Button>
      ) : (
        <>
          <CopyButton text={secret} label="Copy the client secret" />
          <Button small look="quiet" icon={<IconEyeOff size={15} aria-hidden />} onClick={() => setSecret(undefined)}>
            Hide
          </Button>
        </>
      )}
      <Button small icon={<IconRefresh size={15} aria-hidden />} onClick={() => setRotating(true)}>
        Rotate…
      </Button>
      {rotating && (
        <Confirm
          title="Rotate the client secret?"
          action="Create a new secret"
          name={application.name}
          onClose={() => setRotating(false)}
          run={async () => {
            const answer = await client.request<{ client_secret: string }>(path, { method: 'POST' });
            setSecret(answer.client_secret);
            toast('There is a new client secret. The old one is accepted for another 24 hours.');
          }}
        >
          Your back end must get the new secret within 24 hours; after that, tokens signed with the old one are refused.
        </Confirm>
      )}
    </div>
  );
}

const TIME_ZONES = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC')];

function TimeZone() {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const path = application.path('');
  const { data } = useGet<{ time_zone: string }>(path);
  const [next, setNext] = useState<string | undefined>(undefined);
  const current = data?.time_zone;
  return (
    <section className="card pad stack" aria-labelledby="time-zone-heading">
      <h2 id="time-zone-heading">Time zone</h2>
      <SelectField
        label="Days begin at midnight in"
        value={current ?? 'UTC'}
        disabled={current === undefined}
        onChange={(event) => setNext(event.target.value)}
      >
        {(current === undefined || TIME_ZONES.includes(current) ? TIME_ZONES : [current, ...TIME_ZONES]).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <p className="muted small">Dates without a time, such as birthdays, are days there, in rules and on profiles.</p>
      {next !== undefined && next !== current && (
        <Confirm
          title={`Let days begin at midnight in ${next}?`}
          action="Change the time zone"
          onClose={() => setNext(undefined)}
          run={async () => {
            await client.request(path, { method: 'PATCH', body: { time_zone: next } });
            await invalidate(path);
            toast('Dynamic groups are being filled again.');
          }}
        >
          Dynamic groups are filled again, and stay as they are until that is done.
        </Confirm>
      )}
    </section>
  );
}

function SearchByFans() {
  const application = useApplication();
  const path = application.path('');
  const { data } = useGet<{ fans_may_search: boolean }>(path);
  const save = useSend<boolean>(
    (client, fans_may_search) => client.request(path, { method: 'PATCH', body: { fans_may_search } }),
    () => [path],
  );
  return (
    <section className="card pad stack" aria-labelledby="search-heading">
      <h2 id="search-heading">Search</h2>
      <CheckField
        label="Fans may look for each other"
        hint="By the beginning of a nickname. They see of others the nickname and public attributes."
        checked={data?.fans_may_search ?? false}
        disabled={!data || save.isPending}
        onChange={(event) =>
          save.mutate(event.target.checked, { onError: (error: unknown) => toast(messageOf(error)) })
        }
      />
    </section>
  );
}

const TOKEN_COLUMNS: Column[] = [
  { head: 'Name', skeleton: '40%' },
  { head: 'Access', skeleton: 70 },
  { head: 'Ends with', skeleton: 50 },
  { head: 'Last used', skeleton: 80 },
  { head: 'Expires', skeleton: 60 },
  ACTIONS,
];

function AdminTokens() {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const path = application.path('access-tokens/');
  const tokens = useGet<{ results: AdminToken[] }>(`${path}?page_size=100`);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<AdminToken | undefined>(undefined);
  return (
    <section className="card" aria-labelledby="tokens-heading">
      <div className="card-head">
        <h2 id="tokens-heading">Admin tokens</h2>
        <Button icon={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
          New token
        </Button>
      </div>
      <Table
        columns={TOKEN_COLUMNS}
        rows={tokens.data?.results}
        of={tokens}
        loading={3}
        empty={
          <Empty icon={<IconKey size={30} aria-hidden />} title="No admin tokens">
            Your back end needs one to manage groups and to send activities for any profile.
          </Empty>
        }
      >
        {(token) => (
          <tr key={token.id}>
            <td>
              <strong className="name">{token.name}</strong>
              <div className="muted small">
                created <Time at={token.created_at} ago />
                {token.created_by !== null && ` by ${token.created_by.replace(/^(token|producer):/, '')}`}
              </div>
            </td>
            <td className="fit">
              {token.read_only ? <Badge>Read only</Badge> : <Badge tone="info">Everything</Badge>}
            </td>
            <td className="fit hide-narrow">
              <code>…{token.hint}</code>
            </td>
            <td className="fit muted hide-narrow">
              {token.last_used_at ? <Time at={token.last_used_at} ago /> : 'never'}
            </td>
            <td className="fit muted hide-narrow">{token.expires_at ? <Time at={token.expires_at} ago /> : 'never'}</td>
            <td className="fit">
              <Button small danger onClick={() => setRevoking(token)}>
                Revoke…
              </Button>
            </td>
          </tr>
        )}
      </Table>
      {creating && <NewToken onClose={() => setCreating(false)} />}
      {revoking && (
        <Confirm
          title={`Revoke “${revoking.name}”?`}
          action="Revoke it"
          name={revoking.name}
          onClose={() => setRevoking(undefined)}
          run={async () => {
            await client.request(`${path}${revoking.id}/`, { method: 'DELETE' });
            await invalidate(path);
            toast(`“${revoking.name}” is dead.`);
          }}
        >
          Whatever uses this token, or a token that it created, stops working at once. It cannot be brought back.
        </Confirm>
      )}
    </section>
  );
}

function NewToken({ onClose }: { onClose: () => void }) {
  const application = useApplication();
  const [fields, setFields] = useState({ name: '', readOnly: false, expires: '' });
  const [token, setToken] = useState<string | undefined>(undefined);
  const create = useSend<undefined, { token: string }>(
    (client) =>
      client.request(application.path('access-tokens/'), {
        method: 'POST',
        body: { name: fields.name, read_only: fields.readOnly, expires_at: fromLocalInput(fields.expires) ?? null },
      }),
    () => [application.path('access-tokens/')],
  );
  const errors = fieldsOf(create.error);
  const rest = restOf(create.error, ['name', 'read_only', 'expires_at']);
  if (token !== undefined) {
    return (
      <ShownOnce title="The admin token" noun="token" text={token} onClose={onClose}>
        It is shown here and nowhere else. Copy it now and keep it where your back end keeps its secrets.
      </ShownOnce>
    );
  }
  return (
    <Dialog
      title="New admin token"
      onClose={onClose}
      onSubmit={() => create.mutate(undefined, { onSuccess: (answer) => setToken(answer.token) })}
      action="Create the token"
      busy={create.isPending}
      problem={rest}
    >
      <TextField
        label="Name"
        hint="What uses it, such as “season import”."
        value={fields.name}
        errors={errors['name']}
        autoFocus
        onChange={(event) => setFields({ ...fields, name: event.target.value })}
      />
      <CheckField
        label="Read only"
        hint="It may look, preview and verify, and change nothing."
        checked={fields.readOnly}
        onChange={(event) => setFields({ ...fields, readOnly: event.target.checked })}
      />
      <TextField
        label="Expires"
        type="datetime-local"
        hint="Optional, in your time zone. Empty: never."
        value={fields.expires}
        errors={errors['expires_at']}
        onChange={(event) => setFields({ ...fields, expires: event.target.value })}
      />
    </Dialog>
  );
}
