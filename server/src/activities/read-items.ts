// The items of a batch, checked each by itself and turned into the columns that the intake statement takes. Written by
// hand and in one pass, since it runs for every activity: a schema compiler would take longer than the database.

import { createPace, type Elements, type ReadElement } from '../http/elements.ts';
import { createProblems, fitRefused, MORE_PROBLEMS, type FieldErrors, type Problems } from '../problems.ts';
import { UNREACHABLE, isReachable, readUuid } from '../ids.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import type { ActivityType, Catalogue, Fact } from '../rules/attribute.ts';
import { isRecord } from '../rules/fields.ts';
import { codePoints } from '../rules/values.ts';
import type { Profile } from '../profiles/profile.ts';
import {
  MAX_ACTIVITY_ID,
  MAX_AHEAD,
  MAX_BACK_FOR_PROFILES,
  MAX_DATA_BYTES,
  MAX_VALUE,
  TYPE_PATTERN,
} from './activity.ts';
import { storedId, type SentBy } from './stored-id.ts';

/**
 * Who sends: an admin for any profile, a profile for itself, or pages that hold the key of a source, for any profile but
 * within what a profile may. `aliases` are ids and custom ids that lead to the profile as well.
 */
export type Sender =
  | { kind: 'admin' }
  | { kind: 'pages' }
  | { kind: 'profile'; profile: Pick<Profile, 'id' | 'custom_id'>; aliases?: ReadonlySet<string> };

export interface Rejected {
  index: number;
  id: string | null;
  errors: FieldErrors;
}

/** The sound items, by column. */
export interface Columns {
  index: number[];
  id: string[];
  /** Null where the custom id beside it says whose it is. */
  profileId: (string | null)[];
  customId: (string | null)[];
  typeId: number[];
  occurredAt: string[];
  value: number[];
  /** JSON text. */
  data: (string | null)[];
}

export interface ReadItems {
  columns: Columns;
  rejected: Rejected[];
  /** Sound items of these types wait until the types are known; read again then. */
  unknownTypes: Set<string>;
  /** Ids and custom ids that a profile says are its own; some may be, of profiles that were merged into it. */
  otherIds: Set<string>;
  /** Refused as things stand now, but maybe the repeat of something that was stored when they stood otherwise. */
  doubtful: Doubtful[];
}

/** Sent too late by a profile, or against a state that may have been defined since. */
export interface Doubtful extends Rejected {
  storedId: string;
  profileId: string | null;
  customId: string | null;
}

const FIELDS = new Set(['id', 'type', 'profile_id', 'custom_id', 'occurred_at', 'value', 'data', 'sent_by']);

/** Of one item: who sends hundreds of them does not read them all. */
const MAX_PROBLEMS = 20;
const MAX_UNKNOWN_FIELDS = 10;
/** Of a batch that are looked up: an app has kept one or two. */
const MAX_OTHER_IDS = 20;

export interface ReadOptions {
  sender: Sender;
  catalogue: Catalogue;
  now: Instant;
  /** Unknown types that the application has no room for. */
  refusedTypes: ReadonlySet<string>;
}

interface Reading extends ReadOptions {
  /** State facts by type id; under 0 those of any type. */
  states: Map<number, Fact[]>;
  result: ReadItems;
  /** For the next item: nearly none has any, and a collector for each would be felt. */
  problems: Problems;
  doubts: Problems;
}

/** Throws a ValidationError where an item is not even JSON. */
export async function readItems(items: Elements, options: ReadOptions): Promise<ReadItems> {
  const result: ReadItems = {
    columns: { index: [], id: [], profileId: [], customId: [], typeId: [], occurredAt: [], value: [], data: [] },
    rejected: [],
    unknownTypes: new Set(),
    otherIds: new Set(),
    doubtful: [],
  };
  const states = new Map<number, Fact[]>();
  for (const fact of options.catalogue.facts) {
    if (fact.valueType === null) continue;
    const list = states.get(fact.typeId);
    if (list) list.push(fact);
    else states.set(fact.typeId, [fact]);
  }
  const reading: Reading = { ...options, states, result, problems: newProblems(), doubts: newProblems() };
  const pace = createPace();
  for (let index = 0; index < items.length; index++) {
    if (pace.isDue()) await pace.turn();
    readItem(reading, items.read(index), index);
  }
  return result;
}

const newProblems = (): Problems => createProblems(MAX_PROBLEMS);

/** Every rejected item by its index, and of what is wrong with it as much as an answer may hold. */
export const presentRejected = (rejected: Rejected[]): Rejected[] =>
  fitRefused(rejected, ({ index }) => ({ index, id: null, errors: {} }));

function readItem(reading: Reading, { value: item, problems: unsound }: ReadElement, index: number): void {
  const { columns, rejected, unknownTypes, doubtful } = reading.result;
  if (!isRecord(item)) {
    const errors = item === undefined && unsound ? unsound : { non_field_errors: ['This must be an object.'] };
    rejected.push({ index, id: null, errors });
    return;
  }
  const { problems, doubts } = reading;
  addUnknownFields(item, problems);
  if (unsound) for (const [field, messages] of Object.entries(unsound)) problems.add(field, messages.join(' '));
  const { id } = item;
  if (id === undefined) problems.add('id', 'This field is required.');
  else if (
    typeof id !== 'string' ||
    id.length === 0 ||
    (id.length > MAX_ACTIVITY_ID && codePoints(id) > MAX_ACTIVITY_ID)
  ) {
    problems.add('id', `This must be a string of 1 to ${MAX_ACTIVITY_ID} characters.`);
  }
  const typeName = item['type'];
  const type = readType(reading, typeName, problems);
  const profileId = readProfileId(reading, item, problems);
  const value = readValue(reading.sender, item['value'], problems);
  if (typeof id === 'string' && !isReachable(id)) doubts.add('id', UNREACHABLE);
  const data = readData(reading, item['data'], type, problems, doubts);
  const occurredAt = readOccurredAt(reading, item['occurred_at'], problems, doubts);
  const sentBy = readSentBy(reading.sender, item['sent_by'], problems);
  const customId = profileId === undefined ? (item['custom_id'] as string) : null; // or there were problems
  if (!problems.isEmpty() || !doubts.isEmpty()) {
    reading.problems = newProblems();
    reading.doubts = newProblems();
    const shown = typeof id === 'string' && !unsound?.['id'] ? id.slice(0, MAX_ACTIVITY_ID * 2) : null;
    const errors = { ...problems.fields(), ...doubts.fields() };
    if (!problems.isEmpty()) rejected.push({ index, id: shown, errors });
    else {
      const stored = storedId(String(id), sentBy);
      doubtful.push({ index, id: shown, storedId: stored, errors, profileId: profileId ?? null, customId });
    }
    return;
  }
  if (!type) {
    unknownTypes.add(String(typeName)); // a string, or there were problems
    return;
  }
  columns.index.push(index);
  columns.id.push(storedId(id as string, sentBy)); // or there were problems
  columns.profileId.push(profileId ?? null);
  columns.customId.push(customId);
  columns.typeId.push(type.id);
  columns.occurredAt.push(formatInstant(occurredAt));
  columns.value.push(value);
  columns.data.push(data);
}

function addUnknownFields(item: Record<string, unknown>, problems: Problems): void {
  let unknown = 0;
  for (const field in item) {
    if (FIELDS.has(field)) continue;
    if (++unknown > MAX_UNKNOWN_FIELDS) return problems.add('non_field_errors', MORE_PROBLEMS);
    problems.add(field, 'This field is not known.');
  }
}

function readType(
  { sender, catalogue, refusedTypes }: Reading,
  name: unknown,
  problems: Problems,
): ActivityType | undefined {
  if (name === undefined) {
    problems.add('type', 'This field is required.');
    return undefined;
  }
  const type = typeof name === 'string' ? catalogue.types.get(name) : undefined;
  if (type && (sender.kind === 'admin' || type.client)) return type;
  if (typeof name !== 'string' || !TYPE_PATTERN.test(name)) {
    problems.add('type', 'This must be 1 to 64 characters of a-z, 0-9 and -.');
  } else if (sender.kind !== 'admin') problems.add('type', 'Profiles may not send activities of this type.');
  else if (refusedTypes.has(name)) problems.add('type', 'The application has too many activity types to add this one.');
  return undefined;
}

/** The profile's id; undefined where custom_id names it. */
function isOwn({ sender, result }: Reading, said: unknown, own: string | null): boolean {
  if (typeof said !== 'string') return false;
  if (said === own || (sender.kind === 'profile' && sender.aliases?.has(said) === true)) return true;
  if (result.otherIds.size < MAX_OTHER_IDS) result.otherIds.add(said);
  return false;
}

function readProfileId(reading: Reading, item: Record<string, unknown>, problems: Problems): string | undefined {
  const { sender } = reading;
  const sent = item['profile_id'] ?? undefined;
  const customId = item['custom_id'] ?? undefined;
  if (sender.kind === 'profile') {
    const { profile } = sender;
    if (sent !== undefined && !isOwn(reading, typeof sent === 'string' ? readUuid(sent) : sent, profile.id)) {
      problems.add('profile_id', 'A profile may send its own activities only.');
    }
    if (customId !== undefined && !isOwn(reading, customId, profile.custom_id)) {
      problems.add('custom_id', 'A profile may send its own activities only.');
    }
    return profile.id;
  }
  if (sent !== undefined && customId !== undefined) {
    problems.add('non_field_errors', 'Send either profile_id or custom_id.');
    return undefined;
  }
  if (sent !== undefined) {
    const id = typeof sent === 'string' ? readUuid(sent) : undefined;
    if (id === undefined) problems.add('profile_id', typeof sent === 'string' ? NO_PROFILE : 'This must be a string.');
    return id;
  }
  if (customId === undefined) problems.add('profile_id', 'This field is required, or custom_id.');
  else if (typeof customId !== 'string') problems.add('custom_id', 'This must be a string.');
  return undefined;
}

/** In which of the two namespaces of ids it stands. An admin who brings back what a profile sent says so. */
function readSentBy(sender: Sender, sent: unknown, problems: Problems): SentBy {
  const by = sender.kind === 'admin' ? 'admin' : 'profile';
  if (sent === undefined || sent === by) return by;
  if (sent !== 'admin' && sent !== 'profile') problems.add('sent_by', "This must be 'admin' or 'profile'.");
  else if (by === 'profile') problems.add('sent_by', 'Only an admin access token may send for the back end.');
  else return sent;
  return by;
}

export const NO_PROFILE = 'There is no such profile.';

function readValue(sender: Sender, sent: unknown, problems: Problems): number {
  if (sent === undefined || sent === null || sent === 1) return 1;
  if (typeof sent !== 'number' || !Number.isInteger(sent) || sent < 1 || sent > MAX_VALUE) {
    problems.add('value', `This must be a whole number from 1 to ${MAX_VALUE}.`);
    return 1;
  }
  if (sender.kind !== 'admin') problems.add('value', 'Profiles may only send the value 1.');
  return sent;
}

function readOccurredAt({ sender, now }: Reading, sent: unknown, problems: Problems, doubts: Problems): Instant {
  if (sent === undefined || sent === null) return now;
  const at = typeof sent === 'string' ? parseInstant(sent) : undefined;
  if (at === undefined) {
    problems.add(
      'occurred_at',
      'This must be an ISO 8601 date and time from 1900 to 2200, such as 2025-04-28T12:16:49.670053Z.',
    );
    return now;
  }
  if (at > now + MAX_AHEAD) problems.add('occurred_at', 'This may be at most 5 minutes ahead.');
  if (at > now) return now;
  if (sender.kind !== 'admin' && at < now - MAX_BACK_FOR_PROFILES)
    doubts.add('occurred_at', 'This may be at most 7 days back.');
  return at;
}

function readData(
  reading: Reading,
  sent: unknown,
  type: ActivityType | undefined,
  problems: Problems,
  doubts: Problems,
): string | null {
  if (sent === undefined || sent === null) return null;
  if (!isRecord(sent)) {
    problems.add('data', 'This must be an object.');
    return null;
  }
  if (!isFinite(sent)) problems.add('data', 'Numbers must be within the range of a double.');
  const text = JSON.stringify(sent);
  // A character has at most three bytes for each of its UTF-16 units.
  if (text.length * 3 > MAX_DATA_BYTES && Buffer.byteLength(text) > MAX_DATA_BYTES) {
    problems.add('data', `This may have at most ${MAX_DATA_BYTES} bytes as JSON.`);
    return null;
  }
  if (type) for (const fact of reading.states.get(type.id) ?? []) checkState(fact, sent, doubts);
  for (const fact of reading.states.get(0) ?? []) checkState(fact, sent, doubts);
  return text;
}

/** No number of JSON is beyond a double but `1e999` and the like, which JSON.stringify would turn into null. */
function isFinite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  for (const item of Object.values(value)) if (!isFinite(item)) return false;
  return true;
}

function checkState(fact: Fact, data: Record<string, unknown>, doubts: Problems): void {
  if (!Object.hasOwn(data, fact.key)) return;
  const value = data[fact.key];
  if (value !== null && !isState(value, fact)) {
    doubts.add(`data.${fact.key}`, `This must be ${STATE_WORDS[fact.valueType ?? 'string']} or null.`);
  }
}

const STATE_WORDS = {
  string: 'a string',
  number: 'a number',
  boolean: 'true, false',
  datetime: 'an ISO 8601 date and time',
};

/** An offset of 15 hours or more: it exists nowhere, and PostgreSQL does not read it. */
const UNSOUND_OFFSET = /[Tt ].*[+-](?:1[5-9]|2\d)/;

function isState(value: unknown, { valueType }: Fact): boolean {
  if (valueType !== 'datetime') return typeof value === valueType;
  return typeof value === 'string' && parseInstant(value) !== undefined && !UNSOUND_OFFSET.test(value);
}
