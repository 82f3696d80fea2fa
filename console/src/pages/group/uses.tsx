// What depends on a group: rules that read it, and webhooks that are told who enters and leaves.

import type { Webhook } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { messageOf } from '../../api.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Group, Page } from '../../types.ts';
import { Badge, Problem, Skeleton } from '../../ui/bits.tsx';
import { nameOf, STATUSES } from '../webhooks/words.ts';

/** All that an application may have. */
const ALL = 100;

export function GroupUses({ group }: { group: Group }) {
  const { path, href, canManage } = useApplication();
  const readers = useGet<{ results: Pick<Group, 'id' | 'name'>[] }>(
    path(`profile-groups/${group.id}/readers/`),
    {},
    { every: 30_000 },
  );
  const webhooks = useGet<Page<Webhook>>(canManage ? path('webhooks/') : null, { page_size: ALL }, { every: 30_000 });
  const told = webhooks.data?.results.filter((webhook) => isTold(webhook, group));
  const rules = readers.data?.results;
  return (
    <section className="card pad stack" aria-labelledby="uses-heading">
      <h2 id="uses-heading">What uses it</h2>
      <div>
        <h3 className="small muted">Rules</h3>
        <Problem>{readers.error && !rules ? messageOf(readers.error) : undefined}</Problem>
        {!rules && !readers.error && <Skeleton width="70%" />}
        {rules?.length === 0 && <p>No rule reads this group.</p>}
        <ul className="stack" style={{ '--gap': '4px' } as React.CSSProperties}>
          {rules?.map((reader) => (
            <li key={reader.id}>
              <Link href={href(`groups/${reader.id}/rule`)} className="name">
                <bdi>{reader.name}</bdi>
              </Link>
            </li>
          ))}
        </ul>
      </div>
      {canManage && (
        <div>
          <h3 className="small muted">Webhooks</h3>
          <Problem>{webhooks.error && !told ? messageOf(webhooks.error) : undefined}</Problem>
          {!told && !webhooks.error && <Skeleton width="70%" />}
          {told?.length === 0 && <p>None is told who enters and leaves.</p>}
          <ul className="stack" style={{ '--gap': '4px' } as React.CSSProperties}>
            {told?.map((webhook) => {
              const status = STATUSES[webhook.state.status];
              return (
                <li key={webhook.id} className="row wrap">
                  <Link href={href(`webhooks/${webhook.id}`)} className="name">
                    <bdi>{nameOf(webhook)}</bdi>
                  </Link>
                  {status && status.tone !== 'good' && <Badge tone={status.tone}>{status.label}</Badge>}
                </li>
              );
            })}
          </ul>
        </div>
      )}
    </section>
  );
}

const isTold = ({ events, groups }: Webhook, { id, custom_id: customId }: Group): boolean =>
  (events === null || events.includes('membership.changed')) &&
  (groups === null || groups.includes(id) || (customId !== null && groups.includes(`custom:${customId}`)));
