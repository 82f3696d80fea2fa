import { useState, type FormEvent } from 'react';
import { messageOf } from '../api.ts';
import { useSession } from '../session.tsx';
import { AwayBanner } from '../shell.tsx';
import { Problem } from '../ui/bits.tsx';
import { Mark } from '../ui/brand.tsx';
import { Button } from '../ui/button.tsx';
import { Choices, TextField } from '../ui/field.tsx';

type Way = 'password' | 'token';

/** The frame of every page that stands before the console. */
export function Gate({ children }: { children: React.ReactNode }) {
  return (
    <>
      <AwayBanner />
      <div className="gate">
        <main>
          <div className="brand">
            <Mark size={30} />
            Grandstand
          </div>
          {children}
        </main>
      </div>
    </>
  );
}

export function SignInPage({ expired }: { expired: boolean }) {
  const { signInWithPassword, signInWithToken } = useSession();
  const [way, setWay] = useState<Way>('password');
  const [fields, setFields] = useState({ email: '', password: '', token: '' });
  const [error, setError] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const set = (changes: Partial<typeof fields>): void => setFields((before) => ({ ...before, ...changes }));

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const missing =
      way === 'password' ? fields.email.trim() === '' || fields.password === '' : fields.token.trim() === '';
    if (missing)
      return setError(
        way === 'password'
          ? 'Enter your e-mail address and your password.'
          : 'Paste an admin access token of your application.',
      );
    setBusy(true);
    setError(undefined);
    try {
      await (way === 'password'
        ? signInWithPassword(fields.email.trim(), fields.password)
        : signInWithToken(fields.token.trim()));
    } catch (reason) {
      setError(messageOf(reason));
      setBusy(false);
    }
  };

  return (
    <Gate>
      <form className="card stack" onSubmit={(event) => void submit(event)} noValidate>
        <div>
          <h1>Sign in</h1>
          {expired && (
            <p className="muted">Your session has ended. Sign in again to go on; what you were writing is kept.</p>
          )}
        </div>
        <Choices<Way>
          label="How to sign in"
          value={way}
          onChange={(next) => {
            setWay(next);
            setError(undefined);
          }}
          choices={[
            { value: 'password', label: 'E-mail and password' },
            { value: 'token', label: 'Admin token' },
          ]}
        />
        {way === 'password' ? (
          <>
            <TextField
              label="E-mail address"
              type="email"
              name="email"
              autoComplete="username"
              value={fields.email}
              autoFocus
              onChange={(event) => set({ email: event.target.value })}
            />
            <TextField
              label="Password"
              type="password"
              name="password"
              autoComplete="current-password"
              value={fields.password}
              onChange={(event) => set({ password: event.target.value })}
            />
          </>
        ) : (
          <TextField
            label="Admin access token"
            type="password"
            autoComplete="off"
            hint="It stays in this tab and is forgotten when the tab closes."
            value={fields.token}
            autoFocus
            onChange={(event) => set({ token: event.target.value })}
          />
        )}
        <Problem>{error}</Problem>
        <Button look="primary" type="submit" busy={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </Button>
      </form>
    </Gate>
  );
}
