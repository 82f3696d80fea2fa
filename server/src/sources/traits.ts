// Traits of a profile as attributes: by the mapping, else where the catalogue has an attribute of the same key. What cannot
// be written is a problem of that trait alone.

import { formatInstant } from '../instant.ts';
import { problemOf } from '../profiles/attribute-pairs.ts';
import { nicknameProblem } from '../profiles/nickname.ts';
import { MAX_ATTRIBUTE, MAX_ATTRIBUTES } from '../profiles/profile.ts';
import type { Attribute, Catalogue } from '../rules/attribute.ts';
import { isRecord, own, shorten } from '../rules/fields.ts';
import { codePoints } from '../rules/values.ts';
import type { Attributes, CallProblem } from './call.ts';
import { isComputed, NICKNAME, type Mapping } from './mapping.ts';
import type { Trust } from './source.ts';

export interface ReadTraits {
  attributes?: Attributes;
  nickname?: string;
  problems: CallProblem[];
}

/** Whom the traits are held against. */
export interface Reader {
  mapping: Mapping;
  catalogue: Catalogue;
  trust: Trust;
}

export function readTraits(traits: Record<string, unknown>, reader: Reader): ReadTraits {
  const set: Attributes['set'] = [];
  const remove: string[] = [];
  const read: ReadTraits = { problems: [] };
  const refuse = (name: string, reason: string): void =>
    void read.problems.push({ outcome: 'not_mapped', reason: `The trait '${shorten(name)}': ${reason}` });
  const targets = targetsOf(traits, reader);
  for (const { name, key, value } of targets) {
    if (key === NICKNAME) {
      const nickname = typeof value === 'string' ? value.trim() : '';
      const problem = nicknameProblem(nickname);
      if (problem === undefined) read.nickname = nickname;
      else refuse(name, problem);
      continue;
    }
    const attribute = reader.catalogue.attributes.get(key);
    const forbidden = writeProblem(reader, attribute, key);
    if (forbidden !== undefined) refuse(name, forbidden);
    else if (value === null || value === undefined) remove.push(key);
    else {
      const texts = textsOf(value, attribute);
      const problem = typeof texts === 'string' ? texts : textProblem(texts, attribute);
      if (problem !== undefined) refuse(name, problem);
      else if (typeof texts !== 'string') set.push(...texts.map((text) => ({ key, value: text })));
    }
  }
  if (set.length > MAX_ATTRIBUTES)
    refuse('', `A profile may have at most ${MAX_ATTRIBUTES} attributes; the rest is left out.`);
  const names = Object.keys(traits);
  if (targets.length === 0 && names.length > 0) {
    const shown = names.slice(0, 20).map(shorten).join(', ');
    read.problems.push({ outcome: 'not_mapped', reason: `No trait leads to an attribute: ${shown}.` });
  }
  if (set.length > 0 || remove.length > 0)
    read.attributes = { set: set.slice(0, MAX_ATTRIBUTES), remove: remove.slice(0, MAX_ATTRIBUTES) };
  return read;
}

interface Target {
  name: string;
  key: string;
  value: unknown;
}

/** Each key once: what the mapping says comes before what is called the same. */
function targetsOf(traits: Record<string, unknown>, { mapping, catalogue }: Reader): Target[] {
  const targets = new Map<string, Target>();
  const mapped = mapping.traits ?? {};
  for (const [name, key] of Object.entries(mapped)) {
    const value = key === null ? undefined : valueAt(traits, name);
    if (key !== null && value !== undefined && !targets.has(key)) targets.set(key, { name, key, value });
  }
  for (const [name, value] of Object.entries(traits)) {
    if (Object.hasOwn(mapped, name) || targets.has(name)) continue;
    const isKnown = name === NICKNAME || (catalogue.attributes.has(name) && !isComputed(catalogue, name));
    if (isKnown) targets.set(name, { name, key: name, value });
  }
  return [...targets.values()];
}

/** Of the trait of this name, else along the names between its dots. */
function valueAt(traits: Record<string, unknown>, name: string): unknown {
  if (Object.hasOwn(traits, name)) return traits[name];
  let value: unknown = traits;
  for (const part of name.split('.')) value = isRecord(value) ? own(value, part) : undefined;
  return value;
}

function writeProblem({ catalogue, trust }: Reader, attribute: Attribute | undefined, key: string): string | undefined {
  if (isComputed(catalogue, key)) return `'${shorten(key)}' is computed; it cannot be written.`;
  if (trust === 'client' && attribute?.writable_by !== 'profile')
    return `a source with trust 'client' writes only attributes that profiles may write; '${shorten(key)}' is none.`;
  return undefined;
}

/** The values that stand for it, or what is wrong with it. */
function textsOf(value: unknown, attribute: Attribute | undefined): string[] | string {
  if (Array.isArray(value)) {
    if (attribute && attribute.type !== 'list') return `'${shorten(attribute.key)}' is no list.`;
    const texts = value.map((item: unknown) => textOf(item, undefined));
    return texts.every((text) => text !== undefined)
      ? [...new Set(texts)]
      : 'A list may hold strings, numbers and booleans.';
  }
  const text = textOf(value, attribute);
  return text === undefined ? 'This must be a string, a number, a boolean, null, or a list of such.' : [text];
}

function textOf(value: unknown, attribute: Attribute | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  // Milliseconds since 1970, as JavaScript counts them.
  const isInstant = attribute?.type === 'datetime' && Math.abs(value) < 8e15 / 2;
  return isInstant ? formatInstant(Math.round(value * 1000)) : String(value);
}

function textProblem(texts: readonly string[], attribute: Attribute | undefined): string | undefined {
  for (const text of texts) {
    if (codePoints(text) > MAX_ATTRIBUTE) return `A value may have at most ${MAX_ATTRIBUTE} characters.`;
    const problem = attribute && problemOf(attribute, text);
    if (problem) return problem.message;
  }
  return undefined;
}
