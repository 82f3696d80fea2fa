import { useState, type FormEvent } from 'react';
import { messageOf } from '../api.ts';
import { useSession } from '../session.tsx';
import { Mark } from '../ui/brand.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { AwayBanner } from '../shell.tsx';

export function SignInPage({ expired }: { expired: boolean }) {
  const { signInWithToken } = useSession();
  const [token, setToken] = useState('');
  const [error, setError] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (token.trim() === '') return setError('Paste the admin access token that the server showed on its first start.');
    setBusy(true);
    setError(undefined);
    await signInWithToken(token.trim()).catch((reason: unknown) => setError(messageOf(reason)));
    setBusy(false);
  };

  return (
    <>
      <AwayBanner />
      <div className="gate">
        <main>
          <div className="brand">
            <Mark size={30} />
            Grandstand
          </div>
          <form className="card stack" onSubmit={(event) => void submit(event)}>
            <div>
              <h1>Sign in</h1>
              <p className="muted">
                {expired
                  ? 'Your session has ended. Sign in again to go on.'
                  : 'With an admin access token of your application.'}
              </p>
            </div>
            <TextField
              label="Admin access token"
              type="password"
              autoComplete="current-password"
              value={token}
              onChange={(event) => setToken(event.target.value)}
              errors={error === undefined ? undefined : [error]}
              hint="It stays in this tab and is forgotten when the tab closes."
              autoFocus
            />
            <Button look="primary" type="submit" busy={busy}>
              {busy ? 'Signing in…' : 'Sign in'}
            </Button>
          </form>
        </main>
      </div>
    </>
  );
}
