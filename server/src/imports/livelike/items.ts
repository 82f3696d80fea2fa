// What LiveLike answers, as what our own calls take. Fields that it does not send are left as they are here.

import type { GroupFields } from '../../groups/group.ts';
import { parseInstant, type Instant } from '../../instant.ts';
import type { Catalogue } from '../../rules/attribute.ts';
import { isRecord } from '../../rules/fields.ts';

type Sent = Record<string, unknown>;

const PROFILE_FIELDS = ['id', 'nickname', 'custom_id', 'custom_data', 'created_at', 'access_token'] as const;

/** Attributes that are computed here are left out: they come from activities. */
export function toProfile(sent: Sent, catalogue: Catalogue): Sent {
  const item: Sent = {};
  for (const name of PROFILE_FIELDS) if (sent[name] != null) item[name] = sent[name];
  const { attributes } = sent;
  if (Array.isArray(attributes))
    item['attributes'] = attributes.filter((pair) => {
      const attribute = isRecord(pair) ? catalogue.attributes.get(String(pair['key'])) : undefined;
      return attribute === undefined || (attribute.source !== 'platform' && attribute.derived_from === undefined);
    });
  return item;
}

export interface SourceGroup {
  id: string;
  name: string;
  isDynamic: boolean;
  isPaused: boolean;
  fields: GroupFields;
  createdAt: Instant | undefined;
  members: number;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Undefined: no group. */
export function toGroup(sent: Sent, withRules: boolean): SourceGroup | undefined {
  const id = text(sent['id']);
  if (id === undefined) return undefined;
  const name = text(sent['name']) ?? '';
  const { ruleset, attributes, profile_count: count } = sent;
  const isDynamic = sent['membership_type'] === 'dynamic';
  const pairs = (Array.isArray(attributes) ? attributes : []).filter(isRecord);
  return {
    id,
    name,
    isDynamic,
    isPaused: sent['is_paused'] === true,
    createdAt: parseInstant(text(sent['created_at']) ?? ''),
    members: typeof count === 'number' ? count : 0,
    fields: {
      name,
      description: text(sent['description']) ?? '',
      custom_id: text(sent['custom_id']) ?? null,
      attributes: pairs.map(({ key, value }) => ({ key: String(key), value: String(value) })),
      ...(typeof sent['visible_to_members'] === 'boolean' && { visible_to_members: sent['visible_to_members'] }),
      ...(isDynamic &&
        withRules && { membership_type: 'dynamic', rule_tree: isRecord(ruleset) ? ruleset['rule_tree'] : undefined }),
    },
  };
}

const DEFINITION_FIELDS = [
  'key',
  'label',
  'description',
  'category',
  'type',
  'choices',
  'unit',
  'writable_by',
  'visible_to',
  'derived_from',
] as const;

/** Of the application's own attributes. */
export function toDefinition(sent: Sent): Sent | undefined {
  if (sent['source'] !== 'custom') return undefined;
  return Object.fromEntries(DEFINITION_FIELDS.flatMap((name) => (sent[name] == null ? [] : [[name, sent[name]]])));
}
