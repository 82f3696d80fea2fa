// What is wrong with the installation, for owners. Whoever tries the server out on their own machine is left alone.

import { IconAlertTriangle } from '@tabler/icons-react';
import type { Statistics } from '@grandstand/sdk/server';

const isTryingOut = (): boolean => /^(localhost|127\.|\[::1\])/.test(location.hostname);

export function InstallationWarnings({ warnings }: Pick<Statistics, 'warnings'>) {
  const shown = isTryingOut() ? warnings.filter(({ check }) => !check.startsWith('public-url')) : warnings;
  if (shown.length === 0) return null;
  return (
    <section className="card pad notice warn" aria-label="The installation">
      <IconAlertTriangle size={20} aria-hidden />
      <div>
        <h2>Something about this installation needs you</h2>
        <ul>
          {shown.map(({ check, what, why, action }) => (
            <li key={check}>
              {what}{' '}
              <span className="muted">
                {why} {action}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}
