// The rule builder. Buckets for most rules: joined by AND, rules inside joined by OR. The full tree for those that say
// more, and JSON to copy and paste. All three edit the same draft.

import { useState } from 'react';
import { IconCornerDownRight, IconPlus, IconTrash } from '@tabler/icons-react';
import { plural } from '../format.ts';
import type { RuleNode, RuleTree } from '../types.ts';
import { Problem } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy.tsx';
import { Choices, TextArea } from '../ui/field.tsx';
import { LeafRow, type Editing } from './leaf-row.tsx';
import {
  depthOf,
  emptyLeaf,
  emptyRule,
  isDraftNode,
  leavesOf,
  newNode,
  prune,
  replace,
  toBuckets,
  toRoot,
  toTree,
  wrapBareLeaves,
  type Draft,
  type DraftLeaf,
  type DraftNode,
} from './model.ts';

type View = 'buckets' | 'tree' | 'json';

interface BuilderProps extends Editing {
  draft: DraftNode;
  onChange: (draft: DraftNode) => void;
}

const ROOT = 'rule_tree';
const MAX_LEVELS = 8;

export function RuleBuilder({ draft, onChange, ...editing }: BuilderProps) {
  const buckets = toBuckets(draft);
  const [view, setView] = useState<View>(buckets ? 'buckets' : 'tree');
  const shown = view === 'buckets' && !buckets ? 'tree' : view;
  const root = editing.errors[ROOT] ?? [];
  return (
    <div className="builder">
      <div className="row wrap spread builder-head">
        <Choices<View>
          label="How the rule is shown"
          value={shown}
          onChange={(next) => {
            if (next === 'buckets' && buckets) onChange(wrapBareLeaves(draft));
            setView(next);
          }}
          choices={[
            ...(buckets ? [{ value: 'buckets' as const, label: 'Simple' }] : []),
            { value: 'tree', label: 'Full tree' },
            { value: 'json', label: 'JSON' },
          ]}
        />
        {!buckets && shown !== 'json' && (
          <span className="muted small">This rule says more than the simple view can show.</span>
        )}
      </div>
      <Problem>{root.join(' ')}</Problem>
      {shown === 'json' ? (
        <JsonView draft={draft} onChange={onChange} disabled={editing.disabled ?? false} />
      ) : shown === 'tree' ? (
        <NodeView {...editing} root={draft} node={draft} path={ROOT} level={1} name="Rule" onRoot={onChange} />
      ) : (
        <BucketsView {...editing} draft={draft} onChange={onChange} />
      )}
    </div>
  );
}

function BucketsView({ draft, onChange, ...editing }: BuilderProps) {
  const buckets = toBuckets(draft) ?? [];
  const edit = (id: number, change: (part: Draft) => Draft | undefined): void => {
    const next = prune(replace(draft, id, change));
    onChange(next.children.length === 0 ? emptyRule() : next);
  };
  const only = buckets.length === 1 && buckets[0]?.leaves.length === 1;
  return (
    <ol className="buckets">
      {buckets.map((bucket, at) => (
        <li key={bucket.id}>
          {at > 0 && (
            <div className="joint" aria-hidden>
              and
            </div>
          )}
          <section className="bucket" aria-label={`Bucket ${at + 1}`}>
            <p className="bucket-title">
              {at === 0 ? 'Profiles for which' : 'and for which'}{' '}
              {bucket.leaves.length > 1 ? 'any of these holds' : 'this holds'}
            </p>
            {bucket.leaves.map((leaf, index) => (
              <div key={leaf.id} className="bucket-row">
                {index > 0 && <span className="or">or</span>}
                <LeafRow
                  {...editing}
                  leaf={leaf}
                  path={bucket.node ? `${ROOT}.children[${at}].children[${index}]` : `${ROOT}.children[${at}]`}
                  name={`Bucket ${at + 1}, rule ${index + 1}`}
                  onChange={(next) => edit(leaf.id, () => next)}
                  onRemove={only ? undefined : () => edit(leaf.id, () => undefined)}
                />
              </div>
            ))}
            {!editing.disabled && (
              <Button
                small
                look="quiet"
                icon={<IconPlus size={15} aria-hidden />}
                onClick={() =>
                  edit(bucket.id, (part) =>
                    isDraftNode(part)
                      ? { ...part, children: [...part.children, emptyLeaf()] }
                      : newNode('OR', [part, emptyLeaf()]),
                  )
                }
              >
                Or…
              </Button>
            )}
          </section>
        </li>
      ))}
      {!editing.disabled && (
        <li>
          <Button
            icon={<IconPlus size={15} aria-hidden />}
            onClick={() => onChange({ ...draft, children: [...draft.children, newNode('OR', [emptyLeaf()])] })}
          >
            And…
          </Button>
        </li>
      )}
    </ol>
  );
}

const OPERATORS: [RuleNode['operator'], string][] = [
  ['AND', 'All of these hold'],
  ['OR', 'Any of these holds'],
  ['AT_LEAST', 'At least so many of these hold'],
  ['NOT', 'This does not hold'],
];

interface NodeViewProps extends Editing {
  root: DraftNode;
  node: DraftNode;
  path: string;
  level: number;
  name: string;
  onRoot: (root: DraftNode) => void;
}

function NodeView({ root, node, path, level, name, onRoot, ...editing }: NodeViewProps) {
  const isRoot = root.id === node.id;
  const { disabled, errors } = editing;
  const change = (next: DraftNode): void => onRoot(isRoot ? next : replace(root, node.id, () => next));
  const editChild = (id: number, next: Draft | undefined): void => {
    const pruned = prune(replace(root, id, () => next));
    onRoot(pruned.children.length === 0 ? { ...pruned, children: [emptyLeaf()] } : pruned);
  };
  const add = (child: Draft): void => change({ ...node, children: [...node.children, child] });
  const messages = [
    path === ROOT ? [] : (errors[path] ?? []),
    errors[`${path}.operator`] ?? [],
    errors[`${path}.count`] ?? [],
    errors[`${path}.children`] ?? [],
  ].flat();
  const full = node.operator === 'NOT' && node.children.length >= 1;
  return (
    <section className="tree-node" aria-label={name}>
      <div className="row wrap">
        <select
          className="select tree-operator"
          aria-label={`${name}: how its parts are joined`}
          value={node.operator}
          disabled={disabled || isRoot}
          onChange={(event) => change(withOperator(node, event.target.value as RuleNode['operator']))}
        >
          {OPERATORS.map(([operator, label]) => (
            <option key={operator} value={operator}>
              {label}
            </option>
          ))}
        </select>
        {node.operator === 'AT_LEAST' && (
          <input
            className="input value-short numeric"
            type="number"
            min={1}
            max={node.children.length}
            aria-label={`${name}: how many`}
            disabled={disabled}
            value={node.count ?? 1}
            onChange={(event) => change({ ...node, count: Math.max(1, Math.floor(event.target.valueAsNumber) || 1) })}
          />
        )}
        {!isRoot && !disabled && (
          <Button
            look="quiet"
            small
            danger
            iconOnly
            icon={<IconTrash size={16} aria-hidden />}
            onClick={() => editChild(node.id, undefined)}
          >
            {`Remove ${name.toLowerCase()}`}
          </Button>
        )}
      </div>
      {messages.length > 0 && (
        <p className="error-text" role="alert">
          {messages.join(' ')}
        </p>
      )}
      <ol className="tree-children">
        {node.children.map((child, index) => (
          <li key={child.id}>
            {isDraftNode(child) ? (
              <NodeView
                {...editing}
                root={root}
                node={child}
                path={`${path}.children[${index}]`}
                level={level + 1}
                name={`${name}, part ${index + 1}`}
                onRoot={onRoot}
              />
            ) : (
              <LeafRow
                {...editing}
                leaf={child}
                path={`${path}.children[${index}]`}
                name={`${name}, part ${index + 1}`}
                onChange={(next) => editChild(child.id, next)}
                onRemove={leavesOf(root).length === 1 ? undefined : () => editChild(child.id, undefined)}
              />
            )}
          </li>
        ))}
      </ol>
      {!disabled && !full && (
        <div className="row wrap">
          <Button small look="quiet" icon={<IconPlus size={15} aria-hidden />} onClick={() => add(emptyLeaf())}>
            Rule
          </Button>
          {level < MAX_LEVELS - 1 && (
            <Button
              small
              look="quiet"
              icon={<IconCornerDownRight size={15} aria-hidden />}
              onClick={() => add(newNode(node.operator === 'AND' ? 'OR' : 'AND', [emptyLeaf()]))}
            >
              Group of rules
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

/** NOT has one part: several are put into an OR, so that none of them may hold. */
function withOperator(node: DraftNode, operator: RuleNode['operator']): DraftNode {
  const { count: _count, ...rest } = node;
  if (operator === 'NOT' && node.children.length > 1)
    return { ...rest, operator, children: [newNode('OR', node.children)] };
  return { ...rest, operator, ...(operator === 'AT_LEAST' && { count: 1 }) };
}

function JsonView({
  draft,
  onChange,
  disabled,
}: {
  draft: DraftNode;
  onChange: (draft: DraftNode) => void;
  disabled: boolean;
}) {
  const json = JSON.stringify(toTree(draft), null, 2);
  const [text, setText] = useState(json);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const read = (next: string): void => {
    setText(next);
    const parsed = parseRule(next);
    setProblem(typeof parsed === 'string' ? parsed : undefined);
    if (typeof parsed !== 'string') onChange(parsed);
  };
  return (
    <div className="stack" style={{ '--gap': '8px' } as React.CSSProperties}>
      <TextArea
        label="Rule tree as JSON"
        className="mono json"
        spellCheck={false}
        rows={18}
        value={text}
        readOnly={disabled}
        errors={problem ? [problem] : undefined}
        onChange={(event) => read(event.target.value)}
      />
      <div className="row">
        <CopyButton text={text} label="Copy JSON" iconOnly={false} />
        <span className="muted small">
          {plural(leavesOf(draft).length, 'rule')}, {plural(depthOf(draft), 'level')}
        </span>
      </div>
    </div>
  );
}

/** A draft, or what is wrong with the text. What the rule means is the server's to judge. */
function parseRule(text: string): DraftNode | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `This is not JSON yet: ${error instanceof Error ? error.message : ''}`;
  }
  const problem = shapeProblem(value, 1);
  return problem ?? toRoot(value as RuleTree); // its shape was just checked
}

function shapeProblem(value: unknown, level: number): string | undefined {
  if (level > MAX_LEVELS) return `A rule has at most ${MAX_LEVELS} levels.`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'Every part must be an object.';
  const part = value as Record<string, unknown>; // JSON objects have string keys
  if (!('operator' in part))
    return typeof part['attribute'] === 'string' && typeof part['condition'] === 'string'
      ? undefined
      : 'A rule has an attribute and a condition, a group of rules an operator and children.';
  if (!OPERATORS.some(([operator]) => operator === part['operator'])) return 'An operator is AND, OR, NOT or AT_LEAST.';
  const { children } = part;
  if (!Array.isArray(children) || children.length === 0) return 'A group of rules has children.';
  for (const child of children) {
    const problem = shapeProblem(child, level + 1);
    if (problem) return problem;
  }
  return undefined;
}

export type { DraftLeaf };
