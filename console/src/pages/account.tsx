import { useState } from 'react';
import { fieldsOf, restOf } from '../api.ts';
import { useSend } from '../queries.ts';
import { useSession } from '../session.tsx';
import { Problem } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { TextField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { toast } from '../ui/toast.tsx';

/** The signed-in producer's own: password and sessions. */
export function AccountPage() {
  const { state, signOut, resume } = useSession();
  const [fields, setFields] = useState({ current: '', next: '', again: '' });
  const [mismatch, setMismatch] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const change = useSend<undefined>((client) =>
    client.request('producers/password/', {
      method: 'POST',
      body: { current_password: fields.current, password: fields.next },
      reads: true,
    }),
  );
  const errors = fieldsOf(change.error);
  const rest = restOf(change.error, ['current_password', 'password']);
  const session = state.status === 'in' ? state.session : undefined;
  const submit = (): void => {
    setMismatch(fields.next !== fields.again);
    if (fields.next !== fields.again) return;
    change.mutate(undefined, {
      onSuccess: () => {
        setFields({ current: '', next: '', again: '' });
        toast('Your password was changed. Every other session has ended.');
        void resume();
      },
    });
  };
  return (
    <>
      <PageHead title="Your account">{session?.email}</PageHead>
      <div className="stack narrow" style={{ '--gap': '20px' } as React.CSSProperties}>
        <form
          className="card pad stack"
          noValidate
          aria-labelledby="password-heading"
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <h2 id="password-heading">Change your password</h2>
          <input type="email" name="email" autoComplete="username" value={session?.email ?? ''} readOnly hidden />
          <TextField
            label="Present password"
            type="password"
            autoComplete="current-password"
            value={fields.current}
            errors={errors['current_password']}
            onChange={(event) => setFields({ ...fields, current: event.target.value })}
          />
          <TextField
            label="New password"
            type="password"
            autoComplete="new-password"
            hint="10 characters or more."
            value={fields.next}
            errors={errors['password']}
            onChange={(event) => setFields({ ...fields, next: event.target.value })}
          />
          <TextField
            label="New password again"
            type="password"
            autoComplete="new-password"
            value={fields.again}
            errors={mismatch ? ['The two are not the same.'] : undefined}
            onChange={(event) => setFields({ ...fields, again: event.target.value })}
          />
          <Problem>{rest}</Problem>
          <div>
            <Button look="primary" type="submit" busy={change.isPending}>
              Change the password
            </Button>
          </div>
        </form>
        <section className="card pad stack" aria-labelledby="sessions-heading">
          <h2 id="sessions-heading">Sessions</h2>
          <p className="muted">
            Lost a laptop, or used somebody else’s? This ends every session of yours, on every device.
          </p>
          <div>
            <Button danger onClick={() => setLeaving(true)}>
              Sign out everywhere…
            </Button>
          </div>
        </section>
      </div>
      {leaving && (
        <Confirm
          title="Sign out everywhere?"
          action="Sign out everywhere"
          onClose={() => setLeaving(false)}
          run={() => signOut({ everywhere: true })}
        >
          Here, too. You need your password to come back.
        </Confirm>
      )}
    </>
  );
}
