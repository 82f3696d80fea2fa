// What leads from the names that a source uses to ours: events to activity types, traits to attribute keys.

import { TYPE_PATTERN } from '../activities/activity.ts';
import type { FieldErrors } from '../errors.ts';
import { MAX_ATTRIBUTE } from '../profiles/profile.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { own, shorten } from '../rules/fields.ts';
import { codePoints } from '../rules/values.ts';
import { createProblems } from '../problems.ts';

export const MAX_MAPPED = 500;
const MAX_SOURCE_NAME = 200;

export interface Mapping {
  /** By the name of the event; null: ignored. */
  events?: Record<string, string | null>;
  /** By the name of the trait, or a path of names with dots between. */
  traits?: Record<string, string | null>;
  page?: string | null;
  screen?: string | null;
}

/** What the schema does not say. */
export function findMappingProblems(mapping: Mapping, catalogue: Catalogue): FieldErrors {
  const problems = createProblems();
  const typeProblem = (type: string | null | undefined, path: string): void => {
    if (typeof type === 'string' && !TYPE_PATTERN.test(type))
      problems.add(path, 'This must be 1 to 64 characters of a-z, 0-9 and -, or null.');
  };
  const each = (field: 'events' | 'traits', check: (target: string | null, path: string) => void): void => {
    for (const [name, target] of Object.entries(mapping[field] ?? {})) {
      if (problems.isFull()) return;
      const path = `mapping.${field}.${shorten(name)}`;
      if (name === '' || codePoints(name) > MAX_SOURCE_NAME)
        problems.add(path, `A name must have 1 to ${MAX_SOURCE_NAME} characters.`);
      check(target, path);
    }
  };
  each('events', typeProblem);
  each('traits', (target, path) => {
    if (target === null || target === NICKNAME) return;
    if (target === '' || codePoints(target) > MAX_ATTRIBUTE)
      problems.add(path, `This must be the key of an attribute, 1 to ${MAX_ATTRIBUTE} characters, or null.`);
    else if (isComputed(catalogue, target))
      problems.add(path, `'${shorten(target)}' is computed; it cannot be written.`);
  });
  typeProblem(mapping.page, 'mapping.page');
  typeProblem(mapping.screen, 'mapping.screen');
  return problems.fields();
}

/** The one field of a profile that a trait may be led to. */
export const NICKNAME = 'nickname';

export function isComputed(catalogue: Catalogue, key: string): boolean {
  const attribute = catalogue.attributes.get(key);
  return attribute !== undefined && (attribute.source === 'platform' || attribute.derived_from !== undefined);
}

/** The activity type of an event; null: it is to be ignored; undefined: its name leads to none. */
export function typeOfEvent(mapping: Mapping, event: string): string | null | undefined {
  const mapped = own(mapping.events ?? {}, event) as string | null | undefined; // by the schema
  if (mapped !== undefined) return mapped;
  if (TYPE_PATTERN.test(event)) return event;
  return slug(event);
}

const MAX_TYPE = 64;

/** `Comment Created` and `commentCreated` are `comment-created`; undefined where no letter or digit of ASCII is left. */
function slug(event: string): string | undefined {
  const text = event
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_TYPE)
    .replace(/^-|-$/g, '');
  return text === '' ? undefined : text;
}
