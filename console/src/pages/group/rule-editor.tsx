// The rule while it is edited. What is written stays whatever comes in meanwhile: a colleague's rule is shown beside it, and
// nothing replaces it but a choice.

import { useEffect, useLayoutEffect, useMemo, useState } from 'react';
import { fieldsOf, restOf } from '../../api.ts';
import { useGet, useRemember, useSend } from '../../queries.ts';
import { RuleBuilder } from '../../rules/builder.tsx';
import { sameRule, toRoot, toTree, type DraftNode } from '../../rules/model.ts';
import { outline, type Words } from '../../rules/phrases.ts';
import { PreviewPanel, usePreview } from '../../rules/preview.tsx';
import { useAttributes, useWords } from '../../rules/words.ts';
import { isLate, saveOver } from '../../save-over.ts';
import { useApplication } from '../../session.tsx';
import type { Group, Page, RuleTree, SavedRuleset } from '../../types.ts';
import { Problem, Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Difference } from '../../ui/difference.tsx';
import { toast } from '../../ui/toast.tsx';
import { useDraft } from '../../ui/use-draft.ts';
import { actorLabel, HISTORY } from './history.ts';

type Ruleset = NonNullable<Group['ruleset']>;

interface EditorProps {
  group: Group;
  ruleset: Ruleset;
  attributes: NonNullable<ReturnType<typeof useAttributes>['attributes']>;
}

interface Written {
  /** The saved rule that it began with, and of when that was known. */
  base: { id: string; tree: RuleTree; at: string };
  draft: DraftNode;
  /** One's own version, put away for theirs. */
  away?: DraftNode;
  /** Raised whenever the draft is replaced as a whole, so that no field goes on showing what it held. */
  turn: number;
}

const baseOf = (ruleset: Ruleset, at: string): Written['base'] => ({ id: ruleset.id, tree: ruleset.rule_tree, at });

function useRuleDraft(group: Group, ruleset: Ruleset) {
  const [written, write, forget] = useDraft<Written>(`rule of ${group.id}`, () => ({
    base: baseOf(ruleset, group.updated_at),
    draft: toRoot(ruleset.rule_tree),
    turn: 0,
  }));
  const { base, draft } = written;
  const tree = useMemo(() => toTree(draft), [draft]);
  const isDirty = !sameRule(tree, base.tree);
  const isNewer = group.updated_at > base.at && ruleset.id !== base.id;
  const isTheirs = isNewer && sameRule(tree, ruleset.rule_tree);
  const follows = isNewer && (!isDirty || isTheirs);
  const show = (next: DraftNode, away: DraftNode | undefined): void =>
    write(({ turn }) => ({
      base: baseOf(ruleset, group.updated_at),
      draft: next,
      turn: turn + 1,
      ...(away && { away }),
    }));

  // Nothing was written: the page follows what is saved.
  useLayoutEffect(() => {
    if (!follows) return;
    show(toRoot(ruleset.rule_tree), written.away);
  });
  const isKept = isDirty || written.away !== undefined;
  useEffect(() => {
    if (!isKept) forget();
  }, [isKept, forget]);

  return {
    ...written,
    tree,
    isDirty,
    isConflict: isNewer && !follows,
    edit: (next: DraftNode) => write((before) => ({ ...before, draft: next })),
    takeTheirs: () => show(toRoot(ruleset.rule_tree), draft),
    bringBack: () => show(written.away ?? draft, undefined),
    dropAway: () => write(({ away: _away, ...before }) => before),
    discard: () => write((before) => ({ ...before, draft: toRoot(base.tree), turn: before.turn + 1 })),
    /** What was written while it was on its way stays. */
    saved: (sent: DraftNode, saved: Ruleset, at: string) =>
      write((before) => ({
        ...before,
        base: baseOf(saved, at),
        ...(before.draft === sent &&
          !sameRule(toTree(sent), saved.rule_tree) && { draft: toRoot(saved.rule_tree), turn: before.turn + 1 }),
      })),
  };
}

export function RuleEditor({ group, ruleset, attributes }: EditorProps) {
  const application = useApplication();
  const path = application.path(`profile-groups/${group.id}/`);
  const remember = useRemember();
  const rule = useRuleDraft(group, ruleset);
  const { draft, tree, isDirty, isConflict } = rule;
  const [attempted, setAttempted] = useState<DraftNode | undefined>(undefined);
  const words = useWords(tree, ruleset.rule_tree);
  const preview = usePreview(draft, group.id);
  /** Over the rule that is in sight: the one that this began with, or theirs. */
  const over = isConflict ? ruleset.id : rule.base.id;
  const save = useSend<DraftNode, Group>(
    (client, sent) =>
      saveOver(
        client,
        path,
        { rule_tree: toTree(sent) },
        group,
        (now) => now.ruleset?.id === over,
        (now) => remember(path, now),
      ),
    () => [application.path('profile-groups/')],
  );
  useUnloadWarning(isDirty);

  const submit = (): void => {
    setAttempted(draft);
    save.mutate(draft, {
      onSuccess: (now) => {
        if (now.ruleset) rule.saved(draft, now.ruleset, now.updated_at);
        remember(path, now);
        toast('The rule was saved. The group is filling; until then it serves the members from before.');
      },
    });
  };
  const savedErrors = attempted === draft ? fieldsOf(save.error) : {};
  const errors = Object.keys(savedErrors).length > 0 ? savedErrors : preview.errors;
  const rest = attempted === draft && !isLate(save.error) ? restOf(save.error, ['rule_tree']) : undefined;
  const writable = application.canWrite;
  return (
    <div className="columns">
      <section className="stack" style={{ '--gap': '14px' } as React.CSSProperties} aria-label="The rule">
        {isConflict && writable && (
          <Conflict
            group={group}
            ruleset={ruleset}
            mine={tree}
            words={words}
            busy={save.isPending}
            onSave={submit}
            onTheirs={rule.takeTheirs}
          />
        )}
        {rule.away && (
          <div className="save-bar" role="status">
            <span className="grow">Your own version is put away.</span>
            <Button onClick={rule.dropAway}>Throw it away</Button>
            <Button look="primary" onClick={rule.bringBack}>
              Bring it back
            </Button>
          </div>
        )}
        <RuleBuilder
          key={rule.turn}
          draft={draft}
          onChange={rule.edit}
          attributes={attributes}
          words={words}
          errors={errors}
          disabled={!writable}
        />
        <Problem>{rest && `${rest} Nothing of what you wrote is lost.`}</Problem>
        {isDirty && !isConflict && writable && (
          <div className="save-bar">
            <span className="grow">You have changes that are not saved.</span>
            <Button
              onClick={() => {
                rule.discard();
                save.reset();
              }}
            >
              Discard
            </Button>
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

interface ConflictProps {
  group: Group;
  ruleset: Ruleset;
  mine: RuleTree;
  words: Words;
  busy: boolean;
  onSave: () => void;
  onTheirs: () => void;
}

/** Mine, theirs and what differs; what to do is the reader's choice, and editing goes on below. */
function Conflict({ group, ruleset, mine, words, busy, onSave, onTheirs }: ConflictProps) {
  const application = useApplication();
  const history = useGet<Page<SavedRuleset>>(application.path(`profile-groups/${group.id}/rulesets/`), HISTORY);
  const entry = history.data?.results.find(({ id }) => id === ruleset.id);
  return (
    <section className="card conflict" aria-labelledby="conflict-heading">
      <div className="pad stack" role="alert">
        <h2 id="conflict-heading">Another rule was saved meanwhile</h2>
        <p className="muted">
          {entry ? (
            <>
              <bdi>{actorLabel(entry.created_by)}</bdi> saved it <Time at={entry.created_at} ago />. Nothing of what you
              wrote is lost: it stands below, as before.
            </>
          ) : (
            'Nothing of what you wrote is lost: it stands below, as before.'
          )}
        </p>
      </div>
      <Difference
        caption="Your rule and theirs, line by line"
        mine={outline(mine, words)}
        theirs={outline(ruleset.rule_tree, words)}
      />
      <div className="pad row wrap">
        <Button look="primary" busy={busy} onClick={onSave}>
          {busy ? 'Saving…' : 'Save mine over theirs'}
        </Button>
        <Button onClick={onTheirs}>Take theirs</Button>
        <CopyButton text={JSON.stringify(mine, null, 2)} label="Copy mine as JSON" iconOnly={false} />
      </div>
    </section>
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
