// Where an invitation's link leads. The token stands behind the #, so that it reaches no server log on its way.

import { useEffect, useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { ApiError, createClient, fieldsOf, messageOf, restOf } from '../api.ts';
import { useSession } from '../session.tsx';
import type { Role } from '../types.ts';
import { Problem, Skeleton } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Gate } from './sign-in.tsx';

interface Invitation {
  email: string | null;
  role: Role;
  application: { client_id: string; name: string };
  has_account: boolean;
}

const anonymous = createClient(() => undefined);

export function InvitationPage() {
  const { resume } = useSession();
  const [, navigate] = useLocation();
  const [token] = useState(() => window.location.hash.slice(1));
  const [invitation, setInvitation] = useState<Invitation | undefined>(undefined);
  const [gone, setGone] = useState<string | undefined>(undefined);
  const [fields, setFields] = useState({ email: '', name: '', password: '', again: '' });
  const [error, setError] = useState<unknown>(undefined);
  const [mismatch, setMismatch] = useState(false);
  const [busy, setBusy] = useState(false);
  const set = (changes: Partial<typeof fields>): void => setFields((before) => ({ ...before, ...changes }));

  useEffect(() => {
    document.title = 'Invitation · Grandstand';
    anonymous
      .request<Invitation>('producers/invitations/show/', { method: 'POST', body: { token }, reads: true })
      .then(setInvitation, (reason: unknown) => setGone(messageOf(reason)));
  }, [token]);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!invitation) return;
    const { has_account: hasAccount } = invitation;
    setMismatch(!hasAccount && fields.password !== fields.again);
    if (!hasAccount && fields.password !== fields.again) return;
    setBusy(true);
    setError(undefined);
    try {
      const body = {
        token,
        password: fields.password,
        ...(!hasAccount && { name: fields.name }),
        ...(invitation.email === null && { email: fields.email }),
      };
      await anonymous.request('producers/invitations/accept/', { method: 'POST', body, reads: true });
      navigate(`/apps/${encodeURIComponent(invitation.application.client_id)}`, { replace: true });
      await resume();
    } catch (reason) {
      setBusy(false);
      if (reason instanceof ApiError && reason.status === 404) setGone(messageOf(reason));
      else setError(reason);
    }
  };

  if (gone !== undefined) {
    return (
      <Gate>
        <div className="card stack">
          <h1>This link does not work any more</h1>
          <p className="muted">{gone}</p>
          <a className="button" href="/">
            Go to the console
          </a>
        </div>
      </Gate>
    );
  }
  const errors = fieldsOf(error);
  const rest = restOf(error, ['email', 'name', 'password']);
  return (
    <Gate>
      <form className="card stack" onSubmit={(event) => void submit(event)} noValidate>
        {!invitation ? (
          <Skeleton width="60%" height={20} />
        ) : (
          <>
            <div>
              <h1>
                {invitation.email === null ? 'Create the first account' : `Join “${invitation.application.name}”`}
              </h1>
              <p className="muted name">
                {invitation.email === null
                  ? 'You become the owner of this server’s applications.'
                  : `${invitation.email} is invited as ${invitation.role}.${invitation.has_account ? ' Enter the password of your account.' : ''}`}
              </p>
            </div>
            {invitation.email === null && (
              <TextField
                label="E-mail address"
                type="email"
                name="email"
                autoComplete="username"
                value={fields.email}
                errors={errors['email']}
                autoFocus
                onChange={(event) => set({ email: event.target.value })}
              />
            )}
            {!invitation.has_account && (
              <TextField
                label="Your name"
                name="name"
                autoComplete="name"
                value={fields.name}
                errors={errors['name']}
                onChange={(event) => set({ name: event.target.value })}
              />
            )}
            <TextField
              label="Password"
              type="password"
              name="password"
              autoComplete={invitation.has_account ? 'current-password' : 'new-password'}
              value={fields.password}
              errors={errors['password']}
              hint={invitation.has_account ? undefined : '10 characters or more.'}
              onChange={(event) => set({ password: event.target.value })}
            />
            {!invitation.has_account && (
              <TextField
                label="Password again"
                type="password"
                autoComplete="new-password"
                value={fields.again}
                errors={mismatch ? ['The two are not the same.'] : undefined}
                onChange={(event) => set({ again: event.target.value })}
              />
            )}
            <Problem>{rest}</Problem>
            <Button look="primary" type="submit" busy={busy}>
              {invitation.has_account ? 'Accept' : 'Create the account'}
            </Button>
          </>
        )}
      </form>
    </Gate>
  );
}
