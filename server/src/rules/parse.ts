// From what a caller sent to a rule tree, or to every problem in it at once, each under its path as sent. Nothing here
// trusts the input: depth and size are measured with a stack of our own before anything recurses.

import type { Catalogue } from './attribute.ts';
import { createProblems, type Problems } from '../problems.ts';
import { isRecord, own, type Report, reportUnknownFields } from './fields.ts';
import type { ResolveGroup } from './leaf.ts';
import { checkLeaf } from './parse-leaf.ts';
import { MAX_LEAVES, MAX_LEVELS, normalise, OPERATORS, type Operator, type RuleNode, type RuleTree } from './tree.ts';

export interface ParseContext {
  catalogue: Catalogue;
  /** The id of a group of the application by its id or `custom:…`, undefined where there is none. */
  resolveGroup: ResolveGroup;
  /** How deep it may be. Default MAX_LEVELS; a stored tree may have the level more that normalising gave it. */
  levels?: number;
}

export type Parsed = { ok: true; tree: RuleNode } | { ok: false; errors: Record<string, string[]> };

/** Validates a rule tree and normalises it. Paths begin with `path`, the name of the field that held the tree. */
export function parseRuleTree(input: unknown, context: ParseContext, path = 'rule_tree'): Parsed {
  const problems = createProblems();
  const most = context.levels ?? MAX_LEVELS;
  const { levels, leaves } = measure(input, most);
  if (levels > most) problems.add(path, `The tree has more than ${MAX_LEVELS} levels.`);
  if (leaves > MAX_LEAVES) problems.add(path, `The tree has ${leaves} leaves; at most ${MAX_LEAVES} are allowed.`);
  const walk: Walk = { context, problems, report: problems.add, levels: most, leavesLeft: MAX_LEAVES };
  const tree = parseTree(input, path, 1, walk);
  return problems.isEmpty() && tree ? { ok: true, tree: normalise(tree) } : { ok: false, errors: problems.fields() };
}

/** Whether the tree is deeper than one that is sent for the first time may be, by no more than normalising adds. */
export const isDeepAsStored = (input: unknown): boolean => measure(input, MAX_LEVELS + 1).levels === MAX_LEVELS + 1;

interface Walk {
  context: ParseContext;
  problems: Problems;
  report: Report;
  levels: number;
  /** Leaves beyond the limit are counted, not described one by one. */
  leavesLeft: number;
}

/** How deep the tree is, up to one level beyond the limit, and how many leaves it has. */
function measure(input: unknown, most: number): { levels: number; leaves: number } {
  let levels = 0;
  let leaves = 0;
  const stack: { part: unknown; level: number }[] = [{ part: input, level: 1 }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    levels = Math.max(levels, top.level);
    const children = isRecord(top.part) ? own(top.part, 'children') : undefined;
    if (!Array.isArray(children)) leaves++;
    else if (top.level <= most) for (const part of children) stack.push({ part, level: top.level + 1 });
  }
  return { levels, leaves };
}

function parseTree(input: unknown, path: string, level: number, walk: Walk): RuleTree | undefined {
  if (level > walk.levels) return undefined;
  if (!isRecord(input)) {
    walk.report(path, 'Must be an object: a node with operator and children, or a leaf with attribute and condition.');
    return undefined;
  }
  if (own(input, 'operator') !== undefined || own(input, 'children') !== undefined) {
    return parseNode(input, path, level, walk);
  }
  if (walk.leavesLeft-- <= 0) return undefined;
  return checkLeaf(input, path, walk.context.catalogue, walk.context.resolveGroup, walk.report);
}

const NODE_FIELDS = ['operator', 'children', 'count'];

function parseNode(input: Record<string, unknown>, path: string, level: number, walk: Walk): RuleNode | undefined {
  const { report } = walk;
  reportUnknownFields(input, NODE_FIELDS, path, report);
  const operator = own(input, 'operator');
  const known = OPERATORS.includes(operator as Operator); // compared as it is, whatever it is
  if (operator === undefined) report(`${path}.operator`, 'This field is required.');
  else if (!known) report(`${path}.operator`, `Must be one of ${OPERATORS.join(', ')}.`);

  const sent = own(input, 'children');
  if (sent === undefined) report(`${path}.children`, 'This field is required.');
  else if (!Array.isArray(sent)) report(`${path}.children`, 'Must be a list.');
  else if (sent.length === 0) report(`${path}.children`, 'May not be empty.');
  else if (operator === 'NOT' && sent.length !== 1) report(`${path}.children`, 'NOT has exactly one child.');
  const list: unknown[] = Array.isArray(sent) ? sent : [];
  const children: RuleTree[] = [];
  for (const [index, child] of list.entries()) {
    if (walk.leavesLeft <= 0 || walk.problems.isFull()) break;
    const parsed = parseTree(child, `${path}.children[${index}]`, level + 1, walk);
    if (parsed) children.push(parsed);
  }

  const count = own(input, 'count');
  if (operator === 'AT_LEAST') {
    const most = list.length;
    if (count === undefined) report(`${path}.count`, 'This field is required with AT_LEAST.');
    else if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || (most > 0 && count > most)) {
      report(`${path}.count`, `Must be an integer from 1 to the number of children${most > 0 ? ` (${most})` : ''}.`);
    }
    return { operator, children, count: count as number }; // returned to the caller only when nothing was reported
  }
  if (count !== undefined) report(`${path}.count`, 'Is allowed only with AT_LEAST.');
  return known ? { operator: operator as Operator, children } : undefined;
}
