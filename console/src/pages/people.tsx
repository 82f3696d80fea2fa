// Who works on the application: producers, their roles, and invitations.

import { useState } from 'react';
import { IconUserPlus } from '@tabler/icons-react';
import { fieldsOf, messageOf, restOf } from '../api.ts';
import { useGet, useInvalidate, useSend } from '../queries.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Page, Role } from '../types.ts';
import { Badge, Time } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Pager } from '../ui/pager.tsx';
import { ACTIONS, Table, type Column } from '../ui/table.tsx';
import { ShownOnce } from '../ui/shown-once.tsx';
import { toast } from '../ui/toast.tsx';
import { useViewParams } from '../view-params.ts';

interface Producer {
  id: string;
  email: string;
  name: string;
  role: Role;
  created_at: string;
}

interface Invitation {
  id: string;
  email: string;
  role: Role;
  created_at: string;
  expires_at: string;
}

interface Team extends Page<Producer> {
  invitations: Invitation[];
}

const PAGE_SIZE = 100;

const ROLES: [Role, string, string][] = [
  ['owner', 'Owner', 'everything, keys and people included'],
  ['editor', 'Editor', 'groups, profiles, attributes, activities'],
  ['viewer', 'Viewer', 'looks, and changes nothing'],
];

const COLUMNS: Column[] = [{ head: 'Name', skeleton: '50%' }, { head: 'Role', skeleton: 90 }, ACTIONS];

export function PeoplePage() {
  const application = useApplication();
  const { client, state } = useSession();
  const invalidate = useInvalidate();
  const path = application.path('producers/');
  const [params, set] = useViewParams();
  const team = useGet<Team>(path, { page_size: PAGE_SIZE, cursor: params.get('cursor') ?? '' });
  const [inviting, setInviting] = useState(false);
  const [removing, setRemoving] = useState<Producer | undefined>(undefined);
  const me = state.status === 'in' ? state.session.email : null;
  const changeRole = (producer: Producer, role: Role): void => {
    const set = (next: Role): Promise<void> =>
      client.request(`${path}${producer.id}/`, { method: 'PATCH', body: { role: next } }).then(() => invalidate(path));
    set(role).then(
      () => toast(`${producer.name} is ${role} now.`, () => set(producer.role)),
      (error: unknown) => {
        toast(messageOf(error));
        void invalidate(path);
      },
    );
  };
  const producerRow = (producer: Producer) => (
    <tr key={producer.id}>
      <td>
        <strong className="name">{producer.name}</strong>{' '}
        {producer.email === me && <span className="muted">(you)</span>}
        <div className="muted small name">{producer.email}</div>
      </td>
      <td className="fit">
        <select
          className="select"
          aria-label={`Role of ${producer.name}`}
          value={producer.role}
          onChange={(event) => changeRole(producer, event.target.value as Role)}
        >
          {ROLES.map(([role, label]) => (
            <option key={role} value={role}>
              {label}
            </option>
          ))}
        </select>
      </td>
      <td className="fit">
        <Button small danger onClick={() => setRemoving(producer)}>
          Remove…
        </Button>
      </td>
    </tr>
  );
  const invitationRow = (invitation: Invitation) => (
    <tr key={invitation.id}>
      <td>
        <span className="name">{invitation.email}</span>
        <div className="muted small">
          invited; the link works until <Time at={invitation.expires_at} />
        </div>
      </td>
      <td className="fit">
        <Badge>{invitation.role}, invited</Badge>
      </td>
      <td className="fit">
        <Button
          small
          onClick={() => {
            client
              .request(`${path}invitations/${invitation.id}/`, { method: 'DELETE' })
              .then(() => invalidate(path))
              .then(
                () => toast('The invitation was withdrawn.'),
                (error: unknown) => toast(messageOf(error)),
              );
          }}
        >
          Withdraw
        </Button>
      </td>
    </tr>
  );
  return (
    <>
      <PageHead
        title="People"
        actions={
          <Button look="primary" icon={<IconUserPlus size={16} aria-hidden />} onClick={() => setInviting(true)}>
            Invite
          </Button>
        }
      >
        Who works on this application.
      </PageHead>
      <section className="card" aria-label="People">
        <Table
          columns={COLUMNS}
          rows={team.data && [...team.data.results, ...team.data.invitations]}
          of={team}
          loading={3}
          empty={null}
        >
          {(one) => ('expires_at' in one ? invitationRow(one) : producerRow(one))}
        </Table>
        {team.data && <Pager page={team.data} noun="person" plural="people" onCursor={(cursor) => set({ cursor })} />}
      </section>
      {inviting && <Invite onClose={() => setInviting(false)} />}
      {removing && (
        <Confirm
          title={`Remove ${removing.name}?`}
          action="Remove"
          onClose={() => setRemoving(undefined)}
          run={async () => {
            await client.request(`${path}${removing.id}/`, { method: 'DELETE' });
            await invalidate(path);
            toast(`${removing.name} no longer works here.`);
          }}
        >
          They lose this application at once. Their account and other applications stay.
        </Confirm>
      )}
    </>
  );
}

function Invite({ onClose }: { onClose: () => void }) {
  const application = useApplication();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('editor');
  const [link, setLink] = useState<string | undefined>(undefined);
  const invite = useSend<undefined, { link: string }>(
    (client) => client.request(application.path('producers/invitations/'), { method: 'POST', body: { email, role } }),
    () => [application.path('producers/')],
  );
  const errors = fieldsOf(invite.error);
  const rest = restOf(invite.error, ['email', 'role']);
  if (link !== undefined) {
    return (
      <ShownOnce title="Pass on this link" noun="link" text={link} onClose={onClose}>
        Send it to {email}. It works once, within seven days, and is shown only here.
      </ShownOnce>
    );
  }
  return (
    <Dialog
      title="Invite somebody"
      onClose={onClose}
      onSubmit={() => invite.mutate(undefined, { onSuccess: (answer) => setLink(answer.link) })}
      action="Create the link"
      busy={invite.isPending}
      problem={rest}
    >
      <TextField
        label="E-mail address"
        type="email"
        value={email}
        errors={errors['email']}
        autoFocus
        onChange={(event) => setEmail(event.target.value)}
      />
      <SelectField
        label="Role"
        value={role}
        errors={errors['role']}
        onChange={(event) => setRole(event.target.value as Role)}
      >
        {ROLES.map(([value, label, text]) => (
          <option key={value} value={value}>
            {label}: {text}
          </option>
        ))}
      </SelectField>
    </Dialog>
  );
}
