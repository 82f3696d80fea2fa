// The naive evaluator: the promise of docs/rules.md over raw activities in memory, as short as it can be said. It
// shares no code with the operators and knows no totals, no lists and no bitsets.

import { createHash } from 'node:crypto';
import { MICROS_PER_DAY, type Instant } from '../../instant.ts';
import type { Attribute, BasicDerivation } from '../attribute.ts';
import { findAttribute } from '../catalogue.ts';
import { isNode, type RuleLeaf, type RuleTree } from '../tree.ts';
import { parseNumber } from '../values.ts';
import { isCounted, meets, OPPOSITES, ten000ths, type Narrowed, type Value } from './naive-activity.ts';
import { instantIn } from './naive-days.ts';
import type { Profile, World } from './world.ts';

export function holdsNaively(tree: RuleTree, world: World, profile: Profile, now: Instant, groupId: string): boolean {
  if (!isNode(tree)) return leafHolds(tree, world, profile, now, groupId);
  const yes = tree.children.filter((child) => holdsNaively(child, world, profile, now, groupId)).length;
  if (tree.operator === 'AND') return yes === tree.children.length;
  if (tree.operator === 'OR') return yes > 0;
  return tree.operator === 'NOT' ? yes === 0 : yes >= (tree.count ?? 0);
}

function leafHolds(leaf: RuleLeaf, world: World, profile: Profile, now: Instant, groupId: string): boolean {
  const attribute = findAttribute(world.catalogue, leaf.attribute);
  if (!attribute) throw new Error(`no attribute ${leaf.attribute}`);
  const zone = world.catalogue.zone.name;
  const values = valuesOf(attribute, leaf, profile, { now, zone }, groupId);
  const isDay = leaf.condition.startsWith('on_or_');
  const wanted = attribute.type === 'datetime' && !isDay ? instantsIn(leaf.value, zone) : leaf.value;
  const empty = leaf.condition === 'is_empty' || leaf.condition === 'is_not_empty';
  const positive = OPPOSITES[leaf.condition] ?? leaf.condition;
  const some = values.some((value) => meets(positive, value, wanted, now, attribute.type, zone));
  return (some !== (positive !== leaf.condition)) !== (empty && leaf.value === false);
}

interface Moment {
  now: Instant;
  zone: string;
}

function instantsIn(value: RuleLeaf['value'], zone: string): unknown {
  const read = (text: unknown): unknown => (typeof text === 'string' ? instantIn(text, zone) : text);
  return Array.isArray(value) ? value.map(read) : read(value);
}

function valuesOf(attribute: Attribute, leaf: RuleLeaf, profile: Profile, at: Moment, groupId: string): Value[] {
  const { now, zone } = at;
  const found = (values: (Value | null | undefined)[]): Value[] => {
    const present = values.filter((value) => value !== null && value !== undefined);
    return present.length === 0 && attribute.missing !== null ? [attribute.missing] : present;
  };
  const read = (basic: BasicDerivation): Value | null | undefined => derive(basic, profile, at, leaf, attribute.type);
  const derived = attribute.derived_from;
  if (attribute.key === 'random_bucket') return [bucketOf(leaf.salt ?? groupId, profile.id)];
  if (attribute.key === 'profile_group') return profile.groups;
  if (!derived) {
    const pairs = profile.pairs.filter(
      (pair) => pair.key === attribute.key && (attribute.writable_by === 'profile' || pair.writtenBy === 'admin'),
    );
    return found(pairs.map((pair) => parsed(pair.value, attribute.type, zone)));
  }
  switch (derived.fn) {
    case 'profile':
      return found([
        { created_at: profile.createdAt, nickname: profile.nickname, custom_id: profile.customId }[derived.key],
      ]);
    case 'difference':
      return found([derived.of.map((term) => Number(read(term))).reduce((a, b) => a - b)]);
    case 'exceeds':
      return [Number(read(derived.of[0])) > Number(read(derived.of[1]))];
    case 'ratio':
      return found([
        Number(read(derived.of[1])) === 0 ? null : Number(read(derived.of[0])) / Number(read(derived.of[1])),
      ]);
    case 'positive':
      return [Number(derive(derived.of[0], profile, at, {}, 'number') ?? 0) > 0];
    case 'age_in_days': {
      const since = derive(derived.of[0], profile, at, {}, 'datetime') ?? (derived.or ? profile.createdAt : null);
      return found([since === null ? null : Math.max(0, Math.floor((now - Number(since)) / MICROS_PER_DAY))]);
    }
    default:
      return found([read(derived)]);
  }
}

function derive(
  basic: BasicDerivation,
  profile: Profile,
  { now, zone }: Moment,
  leaf: Narrowed,
  type: string,
): Value | null | undefined {
  const where = basic.fn === 'state' ? undefined : basic.where;
  const rows = profile.activities.filter(
    (activity) =>
      (basic.types[0] === '*' || basic.types.includes(activity.type)) &&
      (!where || activity.data?.[where.key] === where.equals) &&
      isCounted(activity, leaf, now, zone),
  );
  const { sum_of: key } = leaf;
  if (key !== undefined) return rows.reduce((sum, row) => sum + ten000ths(row.data?.[key]), 0) / 10_000;
  switch (basic.fn) {
    case 'count':
      return rows.length;
    case 'sum':
      return rows.reduce((sum, row) => sum + row.value, 0);
    case 'exists':
      return rows.length > 0;
    case 'first':
      return rows.length === 0 ? null : Math.min(...rows.map((row) => row.at));
    case 'last':
      return rows.length === 0 ? null : Math.max(...rows.map((row) => row.at));
    case 'state': {
      const having = rows.filter((row) => row.data && basic.key in row.data);
      having.sort((a, b) => b.at - a.at || Buffer.compare(Buffer.from(b.id), Buffer.from(a.id)));
      const value = having[0]?.data?.[basic.key];
      return type === 'datetime' && typeof value === 'string' ? instantIn(value, zone) : value;
    }
  }
}

function parsed(text: string, type: string, zone: string): Value | undefined {
  if (type === 'number') return parseNumber(text);
  if (type === 'datetime') return instantIn(text, zone);
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  return text;
}

function bucketOf(salt: string, profileId: string): number {
  const digest = createHash('sha256').update(salt).update(Buffer.of(0)).update(profileId).digest();
  return Number(BigInt(`0x${digest.subarray(0, 8).toString('hex')}`) % 10_000n);
}
