// A group's rule: edited beside an exact preview, and every rule it had before.

import { useEffect, useMemo, useState } from 'react';
import { IconHistory, IconRestore } from '@tabler/icons-react';
import { ApiError, fieldsOf, messageOf, restOf } from '../../api.ts';
import { useGet, useInvalidate, useSend } from '../../queries.ts';
import { RuleBuilder } from '../../rules/builder.tsx';
import { sameRule, toRoot, toTree, type DraftNode } from '../../rules/model.ts';
import { sentence } from '../../rules/phrases.ts';
import { PreviewPanel, usePreview } from '../../rules/preview.tsx';
import { useAttributes, useWords } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, Page, SavedRuleset } from '../../types.ts';
import { Badge, Failed, Problem, Skeleton, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { toast } from '../../ui/toast.tsx';
import { useDraft } from '../../ui/use-draft.ts';

export function GroupRule({ group }: { group: Group }) {
  const { attributes, error } = useAttributes();
  if (error) return <Failed error={error} />;
  if (!attributes || !group.ruleset) return <Skeleton width="100%" height={180} />;
  return (
    <div className="stack" style={{ '--gap': '28px' } as React.CSSProperties}>
      <Editor key={group.ruleset.id} group={group} ruleset={group.ruleset} attributes={attributes} />
      <History group={group} />
    </div>
  );
}

interface EditorProps {
  group: Group;
  ruleset: { id: string; rule_tree: SavedRuleset['rule_tree'] };
  attributes: NonNullable<ReturnType<typeof useAttributes>['attributes']>;
}

function Editor({ group, ruleset, attributes }: EditorProps) {
  const application = useApplication();
  const [draft, setDraft, forget] = useDraft<DraftNode>(`rule ${ruleset.id}`, () => toRoot(ruleset.rule_tree));
  const [attempted, setAttempted] = useState<DraftNode | undefined>(undefined);
  const tree = useMemo(() => toTree(draft), [draft]);
  const isDirty = !sameRule(tree, ruleset.rule_tree);
  const words = useWords(tree);
  const preview = usePreview(draft, group.id);
  const path = application.path(`profile-groups/${group.id}/`);
  const save = useSend<DraftNode, Group>(
    (client, rule) =>
      client.request<Group>(path, {
        method: 'PATCH',
        body: { rule_tree: toTree(rule) },
        headers: { 'if-match': `"${group.updated_at}"` },
      }),
    () => [application.path('profile-groups/')],
  );
  const invalidate = useInvalidate();
  useUnloadWarning(isDirty);

  const submit = (): void => {
    setAttempted(draft);
    save.mutate(draft, {
      onSuccess: () => {
        forget();
        toast('The rule was saved. The group is filling; until then it serves the members from before.');
      },
      // Another producer was faster: what they did is shown, and saving again would overwrite it knowingly.
      onError: (error) => error instanceof ApiError && error.status === 412 && void invalidate(path),
    });
  };
  const discard = (): void => {
    forget();
    setDraft(() => toRoot(ruleset.rule_tree));
    save.reset();
  };
  const savedErrors = attempted === draft ? fieldsOf(save.error) : {};
  const errors = Object.keys(savedErrors).length > 0 ? savedErrors : preview.errors;
  const rest = attempted === draft ? restOf(save.error, ['rule_tree']) : undefined;
  return (
    <div className="columns">
      <section className="stack" style={{ '--gap': '14px' } as React.CSSProperties} aria-label="The rule">
        <RuleBuilder
          draft={draft}
          onChange={(next) => setDraft(() => next)}
          attributes={attributes}
          words={words}
          errors={errors}
          disabled={!application.canWrite}
        />
        <Problem>{rest && `${rest} Nothing of what you wrote is lost.`}</Problem>
        {isDirty && application.canWrite && (
          <div className="save-bar">
            <span className="grow">You have changes that are not saved.</span>
            <Button onClick={discard}>Discard</Button>
            <Button look="primary" busy={save.isPending} onClick={submit}>
              {save.isPending ? 'Saving…' : 'Save the rule'}
            </Button>
          </div>
        )}
      </section>
      <PreviewPanel draft={draft} words={words} state={preview} hasGroup />
    </div>
  );
}

function useUnloadWarning(active: boolean): void {
  useEffect(() => {
    if (!active) return undefined;
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [active]);
}

function History({ group }: { group: Group }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const address = application.path(`profile-groups/${group.id}/rulesets/`);
  const rulesets = useGet<Page<SavedRuleset>>(address, { page_size: 20 });
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

/** `producer:ana@example.com` or `token:name`. */
export function actorLabel(actor: string): string {
  const [, kind, name] = /^(producer|token):(.*)$/s.exec(actor) ?? [];
  return kind === 'token' ? `the token “${name ?? ''}”` : (name ?? actor);
}
