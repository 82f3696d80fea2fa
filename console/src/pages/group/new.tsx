import { useState } from 'react';
import { IconHandClick, IconSparkles } from '@tabler/icons-react';
import { useLocation, useSearch } from 'wouter';
import { fieldsOf, restOf } from '../../api.ts';
import { useGet, useSend } from '../../queries.ts';
import { RuleBuilder } from '../../rules/builder.tsx';
import { emptyRule, leavesOf, toRoot, toTree, type DraftNode } from '../../rules/model.ts';
import { PreviewPanel, usePreview } from '../../rules/preview.tsx';
import { TEMPLATES, type Template } from '../../rules/templates.ts';
import { useAttributes, useWords } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Failed, Problem, Skeleton } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { TextArea, TextField } from '../../ui/field.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { toast } from '../../ui/toast.tsx';
import { useDraft } from '../../ui/use-draft.ts';

interface Fields {
  name: string;
  description: string;
  customId: string;
  type: Group['membership_type'];
  attributes: Group['attributes'];
  rule: DraftNode;
}

const nothing = (): Fields => ({
  name: '',
  description: '',
  customId: '',
  type: 'dynamic',
  attributes: [],
  rule: emptyRule(),
});

const copyOf = (group: Group): Fields => ({
  ...nothing(),
  name: `Copy of ${group.name}`.slice(0, 255),
  description: group.description ?? '',
  type: group.membership_type,
  attributes: group.attributes,
  ...(group.ruleset && { rule: toRoot(group.ruleset.rule_tree) }),
});

/** With `?copy=` it begins as that group is, without its members. */
export function NewGroupPage() {
  const application = useApplication();
  const id = new URLSearchParams(useSearch()).get('copy');
  const copied = useGet<Group>(id === null ? null : application.path(`profile-groups/${encodeURIComponent(id)}/`));
  if (id === null) return <NewGroup draft="new group" initial={nothing} />;
  if (copied.isError) return <Failed error={copied.error} retry={() => void copied.refetch()} />;
  const { data } = copied;
  return data ? (
    <NewGroup key={id} draft={`copy of ${id}`} initial={() => copyOf(data)} />
  ) : (
    <Skeleton width="100%" height={120} />
  );
}

function NewGroup({ draft, initial }: { draft: string; initial: () => Fields }) {
  const application = useApplication();
  const [, navigate] = useLocation();
  const [fields, setFields, forget] = useDraft<Fields>(`${application.client_id} ${draft}`, initial);
  const set = (changes: Partial<Fields>): void => setFields((before) => ({ ...before, ...changes }));
  const create = useSend<Fields, Group>(
    (client, { name, description, customId, type, attributes, rule }) =>
      client.request<Group>(application.path('profile-groups/'), {
        method: 'POST',
        body: {
          name,
          description,
          membership_type: type,
          ...(attributes.length > 0 && { attributes }),
          ...(customId !== '' && { custom_id: customId }),
          ...(type === 'dynamic' && { rule_tree: toTree(rule) }),
        },
      }),
    () => [application.path('profile-groups/')],
  );
  const errors = fieldsOf(create.error);
  const known = ['name', 'description', 'custom_id', 'rule_tree'];
  const rest = restOf(create.error, known);
  const submit = (): void =>
    create.mutate(fields, {
      onSuccess: (group) => {
        forget();
        toast(`“${group.name}” was created.`);
        navigate(application.href(`groups/${group.id}`));
      },
    });
  return (
    <>
      <PageHead title="New group" back={{ href: application.href('groups'), label: 'Groups' }} />
      <form
        noValidate
        className="stack"
        style={{ '--gap': '20px' } as React.CSSProperties}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <section className="card pad stack" aria-label="What it is">
          <div className="form-grid">
            <TextField
              label="Name"
              value={fields.name}
              errors={errors['name']}
              maxLength={255}
              autoFocus
              onChange={(event) => set({ name: event.target.value })}
            />
            <TextField
              label="Custom id"
              hint="Optional. Your own name for it in code, unique in the application."
              value={fields.customId}
              errors={errors['custom_id']}
              onChange={(event) => set({ customId: event.target.value })}
            />
          </div>
          <TextArea
            label="Description"
            rows={2}
            className="short"
            value={fields.description}
            errors={errors['description']}
            onChange={(event) => set({ description: event.target.value })}
          />
          <fieldset>
            <legend className="visually-hidden">Type</legend>
            <div className="cards">
              <TypeCard
                type="dynamic"
                chosen={fields.type}
                onChoose={(type) => set({ type })}
                icon={<IconSparkles size={20} aria-hidden />}
                title="Dynamic"
                text="A rule decides. Profiles enter and leave by themselves, within a second."
              />
              <TypeCard
                type="static"
                chosen={fields.type}
                onChoose={(type) => set({ type })}
                icon={<IconHandClick size={20} aria-hidden />}
                title="Static"
                text="You decide. Add people one by one, paste ids, or upload a list."
              />
            </div>
          </fieldset>
        </section>
        {fields.type === 'dynamic' && isUntouched(fields.rule) && (
          <Templates
            onChoose={({ name, text, rule }) =>
              set({
                rule: toRoot(rule),
                ...(fields.name === '' && { name }),
                ...(fields.description === '' && { description: text }),
              })
            }
          />
        )}
        {fields.type === 'dynamic' && (
          <RuleSection rule={fields.rule} saved={errors} onChange={(rule) => set({ rule })} />
        )}
        <Problem>{rest && `${rest} Nothing of what you wrote is lost.`}</Problem>
        <div className="row">
          <Button look="primary" type="submit" busy={create.isPending}>
            {create.isPending ? 'Creating…' : 'Create the group'}
          </Button>
          <Button
            onClick={() => {
              forget();
              navigate(application.href('groups'));
            }}
          >
            Cancel
          </Button>
        </div>
      </form>
    </>
  );
}

const isUntouched = (rule: DraftNode): boolean => leavesOf(rule).every((leaf) => leaf.attribute === '');

function Templates({ onChoose }: { onChoose: (template: Template) => void }) {
  return (
    <section className="stack" style={{ '--gap': '8px' } as React.CSSProperties} aria-labelledby="templates-heading">
      <h2 id="templates-heading">Start from a rule that others use</h2>
      <div className="row wrap">
        {TEMPLATES.map((template) => (
          <Button key={template.name} small title={template.text} onClick={() => onChoose(template)}>
            {template.name}
          </Button>
        ))}
      </div>
    </section>
  );
}

function RuleSection({
  rule,
  saved,
  onChange,
}: {
  rule: DraftNode;
  saved: Record<string, string[]>;
  onChange: (rule: DraftNode) => void;
}) {
  const { attributes, error } = useAttributes();
  const words = useWords(toTree(rule));
  const preview = usePreview(rule, undefined);
  const [shownFor, setShownFor] = useState(rule);
  if (error) return <Failed error={error} />;
  if (!attributes) return <Skeleton width="100%" height={120} />;
  const errors = Object.keys(preview.errors).length > 0 ? preview.errors : shownFor === rule ? saved : {};
  return (
    <div className="columns">
      <section className="stack" style={{ '--gap': '10px' } as React.CSSProperties} aria-labelledby="rule-heading">
        <h2 id="rule-heading">The rule</h2>
        <RuleBuilder
          draft={rule}
          onChange={(next) => {
            setShownFor(rule);
            onChange(next);
          }}
          attributes={attributes}
          words={words}
          errors={errors}
        />
      </section>
      <PreviewPanel draft={rule} words={words} state={preview} hasGroup={false} />
    </div>
  );
}

interface TypeCardProps {
  type: Group['membership_type'];
  chosen: Group['membership_type'];
  onChoose: (type: Group['membership_type']) => void;
  icon: React.ReactNode;
  title: string;
  text: string;
}

function TypeCard({ type, chosen, onChoose, icon, title, text }: TypeCardProps) {
  return (
    <label className={type === chosen ? 'choice-card chosen' : 'choice-card'}>
      <input
        type="radio"
        name="membership-type"
        value={type}
        checked={type === chosen}
        onChange={() => onChoose(type)}
      />
      {icon}
      <span>
        <strong>{title}</strong>
        <span className="muted small">{text}</span>
      </span>
    </label>
  );
}
