// A group's rule: edited beside an exact preview, and every rule it had before.

import { IconHistory, IconRestore } from '@tabler/icons-react';
import { messageOf } from '../../api.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { sentence } from '../../rules/phrases.ts';
import { useAttributes, useWords } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, Page, SavedRuleset } from '../../types.ts';
import { Badge, Failed, Skeleton, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { toast } from '../../ui/toast.tsx';
import { actorLabel, HISTORY } from './history.ts';
import { RuleEditor } from './rule-editor.tsx';

export function GroupRule({ group }: { group: Group }) {
  const { attributes, error } = useAttributes();
  if (error) return <Failed error={error} />;
  if (!attributes || !group.ruleset) return <Skeleton width="100%" height={180} />;
  return (
    <div className="stack" style={{ '--gap': '28px' } as React.CSSProperties}>
      <RuleEditor group={group} ruleset={group.ruleset} attributes={attributes} />
      <History group={group} />
    </div>
  );
}

function History({ group }: { group: Group }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const address = application.path(`profile-groups/${group.id}/rulesets/`);
  const rulesets = useGet<Page<SavedRuleset>>(address, HISTORY);
  const rows = rulesets.data?.results ?? [];
  const words = useWords(...rows.map((row) => row.rule_tree));
  const restore = async (id: string): Promise<void> => {
    await client.request(`${address}${id}/restore/`, { method: 'POST', body: {} });
    await invalidate(application.path('profile-groups/'));
  };
  if (rulesets.isError && !rulesets.data)
    return <Failed error={rulesets.error} retry={() => void rulesets.refetch()} />;
  return (
    <section className="card" aria-labelledby="history-heading">
      <div className="card-head">
        <h2 id="history-heading">
          <span className="row">
            <IconHistory size={17} aria-hidden /> History of the rule
          </span>
        </h2>
      </div>
      {!rulesets.data && (
        <div className="pad">
          <Skeleton width="70%" />
        </div>
      )}
      <ol className="history">
        {rows.map((row) => (
          <li key={row.id}>
            <div className="grow">
              <p className="name">{sentence(row.rule_tree, words)}</p>
              <p className="muted small">
                <Time at={row.created_at} ago /> by <bdi>{actorLabel(row.created_by)}</bdi>
              </p>
            </div>
            {row.id === group.ruleset?.id ? (
              <Badge tone="good">Saved now</Badge>
            ) : (
              application.canWrite && (
                <Button
                  small
                  icon={<IconRestore size={15} aria-hidden />}
                  onClick={() => {
                    const before = group.ruleset?.id;
                    restore(row.id).then(
                      () =>
                        toast('The earlier rule is back.', before === undefined ? undefined : () => restore(before)),
                      (error: unknown) => toast(messageOf(error)),
                    );
                  }}
                >
                  Restore
                </Button>
              )
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
