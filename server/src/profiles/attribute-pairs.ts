// The attributes that a request sends for a profile, held against the catalogue and against who sends them.

import type { Attribute, Catalogue } from '../rules/attribute.ts';
import type { FieldErrors } from '../errors.ts';
import { parseInstant } from '../instant.ts';
import { parseBoolean, parseNumber } from '../rules/values.ts';
import { MAX_ATTRIBUTES, type AttributePair, type AttributeValue, type Writer } from './profile.ts';

type Pair = { key: string; value: AttributeValue };

/** Some keys are set, some removed, and the rest stays. */
export interface AttributePatch {
  set?: Pair[];
  remove?: string[];
}

/** What is sent is held against. */
interface Reading {
  writer: Writer;
  before: AttributePair[];
  catalogue: Catalogue;
  errors: FieldErrors;
}

/**
 * The pairs that the profile has afterwards; one that is there already keeps its writer. A list replaces them all, from a
 * profile those that it may write, whether it sent the rest back or not; a patch changes the keys that it names.
 */
export function readAttributes(
  sent: Pair[] | AttributePatch,
  writer: Writer,
  before: AttributePair[],
  catalogue: Catalogue,
  errors: FieldErrors,
): AttributePair[] {
  const reading = { writer, before, catalogue, errors };
  const all = Array.isArray(sent) ? replace(reading, sent) : patch(reading, sent);
  if (all.length > Math.max(MAX_ATTRIBUTES, before.length))
    errors['attributes'] = [`A profile may have at most ${MAX_ATTRIBUTES} attributes.`];
  return all;
}

function replace(reading: Reading, sent: Pair[]): AttributePair[] {
  const kept = reading.before.filter((pair) => !mayWrite(reading, pair.key));
  return [...kept, ...readPairs(reading, sent, 'attributes')];
}

function patch(reading: Reading, { set = [], remove = [] }: AttributePatch): AttributePair[] {
  const { before, errors } = reading;
  const fresh = readPairs(reading, set, 'attributes.set');
  const keys = new Set(set.map(({ key }) => key));
  remove.forEach((key, index) => {
    const at = `attributes.remove[${index}]`;
    if (keys.has(key)) errors[at] = [`'${key}' is set by the same request.`];
    else if (!mayWrite(reading, key)) errors[at] = [`Only an admin access token may remove '${key}'.`];
  });
  // Values keep their place, so that a patch that changes nothing leaves everything as it was.
  const removed = new Set(remove);
  const waiting = new Map<string, AttributePair[]>();
  for (const pair of fresh) waiting.set(pair.key, [...(waiting.get(pair.key) ?? []), pair]);
  const changed = new Set(waiting.keys());
  const stay = before.flatMap((pair) => {
    if (!changed.has(pair.key)) return removed.has(pair.key) ? [] : [pair];
    const here = waiting.get(pair.key) ?? [];
    waiting.delete(pair.key);
    return here;
  });
  return [...stay, ...[...waiting.values()].flat()];
}

const mayWrite = ({ writer, before, catalogue }: Reading, key: string): boolean =>
  writer === 'admin' || isOpenToProfiles(key, before, catalogue);

/** Those that may be written, each with who wrote it. Problems are named by their place below `path`. */
function readPairs(reading: Reading, sent: Pair[], path: string): AttributePair[] {
  const { writer, before, catalogue, errors } = reading;
  const fresh: AttributePair[] = [];
  const seen = new Set<string>();
  const scalars = new Set<string>();
  sent.forEach(({ key, value: sentValue }, index) => {
    const at = `${path}[${index}]`;
    const value = String(sentValue);
    if (isRounded(sentValue))
      errors[`${at}.value`] = ['This number has more digits than a JSON number keeps. Send it as text.'];
    if (!mayWrite(reading, key)) {
      // What it does not see it may not send back either: an answer that tells right from wrong would give it away.
      const isSeen = catalogue.attributes.get(key)?.visible_to !== 'admin';
      const same = isSeen && before.some((pair) => pair.key === key && pair.value === value);
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
  return fresh;
}

/** What was sent stood for another number: a long id, say. */
const isRounded = (value: AttributeValue): boolean =>
  typeof value === 'number' && (Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value));

/** A catalogued key says who writes it; any other is the profile's until an admin wrote it. */
function isOpenToProfiles(key: string, before: AttributePair[], catalogue: Catalogue): boolean {
  const attribute = catalogue.attributes.get(key);
  if (attribute) return attribute.writable_by === 'profile';
  return !before.some((pair) => pair.key === key && pair.written_by === 'admin');
}

/** What is wrong with a value under this definition. */
export function problemOf(
  attribute: Attribute,
  value: string,
): { field: 'key' | 'value'; message: string } | undefined {
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
