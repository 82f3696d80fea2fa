// What needs somebody: webhooks whose receivers do not take what is sent.

import { IconAlertTriangle } from '@tabler/icons-react';
import type { Webhook } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Page } from '../../types.ts';
import { Time } from '../../ui/bits.tsx';
import { nameOf } from '../webhooks/words.ts';

/** All that an application may have. */
const ALL = 100;

export function Attention() {
  const { path, href } = useApplication();
  const webhooks = useGet<Page<Webhook>>(path('webhooks/'), { page_size: ALL }, { every: 30_000 });
  // Turned off by a person is no failure: then nothing is said to have gone wrong.
  const failing = webhooks.data?.results.filter(
    ({ state }) => state.status === 'failing' || (state.status === 'disabled' && state.last_error !== null),
  );
  if (!failing || failing.length === 0) return null;
  return (
    <section className="card pad notice warn" aria-label="Needs attention">
      <IconAlertTriangle size={20} aria-hidden />
      <div>
        <h2>{failing.length === 1 ? 'A webhook is failing' : `${failing.length} webhooks are failing`}</h2>
        <ul>
          {failing.map((webhook) => (
            <li key={webhook.id}>
              <Link href={href(`webhooks/${webhook.id}`)} className="name">
                <bdi>{nameOf(webhook)}</bdi>
              </Link>{' '}
              <span className="muted">
                {webhook.state.status === 'disabled' ? 'is turned off' : 'takes nothing'} since{' '}
                <Time at={webhook.state.since} ago />
                {webhook.state.last_error !== null && `: ${webhook.state.last_error}`}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}
