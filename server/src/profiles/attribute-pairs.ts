// The attributes that a request sends for a profile, held against the catalogue and against who sends them.

import type { Attribute, Catalogue } from '../rules/attribute.ts';
import type { FieldErrors } from '../errors.ts';
import { parseInstant } from '../instant.ts';
import { parseBoolean, parseNumber } from '../rules/values.ts';
import { MAX_ATTRIBUTES, type AttributePair, type Writer } from './profile.ts';

type Pair = { key: string; value: string };

/**
 * The pairs that the profile has afterwards; one that is there already keeps its writer. An admin replaces them all; a profile replaces those it may write and keeps
 * the rest, whether it sent them back or not.
 */
export function readAttributes(
  sent: Pair[],
  writer: Writer,
  before: AttributePair[],
  catalogue: Catalogue,
  errors: FieldErrors,
): AttributePair[] {
  const mayWrite = (key: string): boolean => writer === 'admin' || isOpenToProfiles(key, before, catalogue);
  const kept = before.filter((pair) => !mayWrite(pair.key));
  const fresh: AttributePair[] = [];
  const seen = new Set<string>();
  const scalars = new Set<string>();
  sent.forEach(({ key, value }, index) => {
    const at = `attributes[${index}]`;
    if (!mayWrite(key)) {
      // What it does not see it may not send back either: an answer that tells right from wrong would give it away.
      const isSeen = catalogue.attributes.get(key)?.visible_to !== 'admin';
      const same = isSeen && kept.some((pair) => pair.key === key && pair.value === value);
      if (!same) errors[`${at}.key`] = [`Only an admin access token may write '${key}'.`];
      return;
    }
    const identity = JSON.stringify([key, value]);
    if (seen.has(identity)) errors[at] = ['The same key and value stand here twice.'];
    seen.add(identity);
    const attribute = catalogue.attributes.get(key);
    if (attribute) {
      const problem = problemOf(attribute, value);
      if (problem) errors[`${at}.${problem.field}`] = [problem.message];
      if (attribute.type !== 'list' && scalars.has(key))
        errors[`${at}.key`] = [`'${key}' may stand once: it is no list.`];
      scalars.add(key);
    }
    const unchanged = before.find((pair) => pair.key === key && pair.value === value);
    // An admin who sends back what was read has not vouched for it.
    fresh.push({ key, value, written_by: unchanged?.written_by ?? writer });
  });
  const all = [...kept, ...fresh];
  if (all.length > MAX_ATTRIBUTES) errors['attributes'] = [`A profile may have at most ${MAX_ATTRIBUTES} attributes.`];
  return all;
}

/** A catalogued key says who writes it; any other is the profile's until an admin wrote it. */
function isOpenToProfiles(key: string, before: AttributePair[], catalogue: Catalogue): boolean {
  const attribute = catalogue.attributes.get(key);
  if (attribute) return attribute.writable_by === 'profile';
  return !before.some((pair) => pair.key === key && pair.written_by === 'admin');
}

function problemOf(attribute: Attribute, value: string): { field: 'key' | 'value'; message: string } | undefined {
  if (attribute.source === 'platform' || attribute.derived_from !== undefined) {
    return { field: 'key', message: `'${attribute.key}' is computed; it cannot be written.` };
  }
  const wrong = (what: string): { field: 'value'; message: string } => ({
    field: 'value',
    message: `'${attribute.key}' must be ${what}.`,
  });
  if (attribute.type === 'number' && parseNumber(value) === undefined) return wrong('a decimal number, such as "12.5"');
  if (attribute.type === 'boolean' && parseBoolean(value) === undefined) return wrong('"true" or "false"');
  if (attribute.type === 'datetime' && parseInstant(value) === undefined)
    return wrong('an ISO 8601 date and time, such as "2025-04-28T12:16:49Z"');
  return undefined;
}
