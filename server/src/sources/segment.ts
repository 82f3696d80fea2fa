// Segment's calls, read by its spec: https://segment.com/docs/connections/spec/. RudderStack's are the same. What a call
// says of whom, and when it happened, is the same for every kind.

import { createHash } from 'node:crypto';
import { MAX_ACTIVITY_ID, MAX_DATA_BYTES, MAX_VALUE } from '../activities/activity.ts';
import type { ReadElement } from '../http/elements.ts';
import { isReachable, newId, UNREACHABLE } from '../ids.ts';
import { parseInstant, type Instant } from '../instant.ts';
import { MAX_CUSTOM_ID } from '../profiles/profile.ts';
import { isRecord, own, shorten } from '../rules/fields.ts';
import { codePoints } from '../rules/values.ts';
import type { Call, Subject } from './call.ts';
import { typeOfEvent } from './mapping.ts';
import { readTraits, type Reader } from './traits.ts';

export const CALLS = ['identify', 'track', 'page', 'screen', 'group', 'alias'] as const;
export type CallKind = (typeof CALLS)[number];

/** What holds for all calls of a request. */
export interface Envelope extends Reader {
  receivedAt: Instant;
  /** By the sender's clock; undefined: its clock is taken as right. */
  sentAt: Instant | undefined;
  /** Brought in from the past: dated by whoever has it. */
  isHistory: boolean;
  /** Of the batch, for calls that say less. */
  context: Record<string, unknown>;
  /** The profile that stands for an anonymous id of this source. */
  anonymousProfile: (anonymousId: string) => string;
}

type Fields = Record<string, unknown>;

/** `kind`: by the path; undefined: by the `type` that stands in it. */
export function readCall({ value, problems }: ReadElement, kind: CallKind | undefined, envelope: Envelope): Call {
  const fields = isRecord(value) ? value : {};
  const said = kind ?? own(fields, 'type');
  const event = own(fields, 'event') ?? own(fields, 'name');
  const call: Call = {
    call: typeof said === 'string' ? shorten(said) : 'unknown',
    name: typeof event === 'string' && event !== '' ? shorten(event) : null,
    item: value,
    subject: undefined,
    problems: [],
  };
  const refuse = (reason: string): Call => {
    call.problems.push({ outcome: 'refused', reason });
    return call;
  };
  if (problems)
    return refuse(Object.entries(problems).map(([field, messages]) => `${field}: ${messages.join(' ')}`).join(' ')); // prettier-ignore
  if (!isRecord(value)) return refuse('This must be an object.');
  const known = CALLS.find((each) => each === said);
  if (known === undefined) return refuse(`The type must be one of ${CALLS.join(', ')}.`);
  const subject = readSubject(fields, envelope);
  if (typeof subject === 'string') return refuse(subject);
  call.subject = subject;
  const at = readInstantOf(fields, envelope);
  if (typeof at === 'string') return refuse(at);
  READERS[known](call, fields, at, envelope);
  readAudience(call, fields, envelope);
  return call;
}

/** Engage tells who enters and leaves an audience by a trait or property of the audience's key. */
function readAudience(call: Call, fields: Fields, envelope: Envelope): void {
  const personas = own(contextOf(fields, envelope), 'personas');
  if (!isRecord(personas) || own(personas, 'computation_class') !== 'audience') return;
  const [id, key] = [own(personas, 'computation_id'), own(personas, 'computation_key')];
  const said = own(fields, 'traits') ?? own(fields, 'properties');
  const enters = isRecord(said) && typeof key === 'string' ? own(said, key) : undefined;
  if (typeof id !== 'string' || id === '' || typeof key !== 'string' || typeof enters !== 'boolean') return;
  if (envelope.trust === 'server') {
    call.audience = { id, name: key, enters };
    // That its key is no attribute is right.
    call.problems = call.problems.filter(({ outcome }) => outcome !== 'not_mapped');
  } else call.problems.push({ outcome: 'refused', reason: "Only a source with trust 'server' may change audiences." });
}

function readSubject(fields: Fields, { anonymousProfile }: Envelope): Subject | string {
  const userId = readId(fields, 'userId');
  if (userId.problem !== undefined) return userId.problem;
  const anonymousId = readId(fields, 'anonymousId');
  if (anonymousId.problem !== undefined) return anonymousId.problem;
  if (userId.id === undefined && anonymousId.id === undefined) return 'A userId or an anonymousId is required.';
  return {
    ...(userId.id !== undefined && { customId: userId.id }),
    ...(anonymousId.id !== undefined && { profileId: anonymousProfile(anonymousId.id) }),
  };
}

/** Some libraries send numbers. */
function readId(fields: Fields, name: string): { id?: string; problem?: string } {
  const sent = own(fields, name) ?? undefined;
  if (sent === undefined || sent === '') return {};
  if (typeof sent === 'number' && Number.isFinite(sent)) return { id: String(sent) };
  if (typeof sent !== 'string') return { problem: `${name}: This must be a string.` };
  if (codePoints(sent) > MAX_CUSTOM_ID)
    return { problem: `${name}: This must have at most ${MAX_CUSTOM_ID} characters.` };
  if (!isReachable(sent)) return { problem: `${name}: ${UNREACHABLE}` };
  return { id: sent };
}

/** When it happened, by our clock: the sender's may be wrong, and `sentAt` tells by how much. */
function readInstantOf(fields: Fields, { receivedAt, sentAt, isHistory }: Envelope): Instant | string {
  const sent = own(fields, 'timestamp') ?? own(fields, 'originalTimestamp') ?? undefined;
  if (sent === undefined) return receivedAt;
  const at = readInstant(sent);
  if (at === undefined) return 'timestamp: This must be an ISO 8601 date and time.';
  const ownSentAt = readInstant(own(fields, 'sentAt')) ?? sentAt;
  return isHistory || ownSentAt === undefined ? at : receivedAt - (ownSentAt - at);
}

export function readInstant(sent: unknown): Instant | undefined {
  return typeof sent === 'string' ? parseInstant(sent) : undefined;
}

type ReadKind = (call: Call, fields: Fields, at: Instant, envelope: Envelope) => void;

const READERS: Record<CallKind, ReadKind> = {
  track(call, fields, at, envelope) {
    const event = own(fields, 'event');
    if (typeof event !== 'string' || event.trim() === '') {
      call.problems.push({ outcome: 'refused', reason: 'event: This field is required.' });
      return;
    }
    const type = typeOfEvent(envelope.mapping, event.trim());
    if (type === undefined)
      call.problems.push({
        outcome: 'not_mapped',
        reason: 'The name of the event makes no activity type; name one in mapping.events.',
      });
    else if (type !== null) addActivity(call, fields, type, at, propertiesOf(fields), envelope);
  },
  page: (call, fields, at, envelope) => readView('page', call, fields, at, envelope),
  screen: (call, fields, at, envelope) => readView('screen', call, fields, at, envelope),
  identify(call, fields, _at, envelope) {
    call.unites = true;
    // RudderStack keeps them in the context.
    const beside = own(contextOf(fields, envelope), 'traits');
    const traits = own(fields, 'traits');
    addTraits(call, { ...(isRecord(beside) && beside), ...(isRecord(traits) && traits) }, envelope);
  },
  group(call, fields, _at, envelope) {
    const { id, problem } = readId(fields, 'groupId');
    if (id === undefined)
      call.problems.push({ outcome: 'refused', reason: problem ?? 'groupId: This field is required.' });
    else addTraits(call, { [GROUP_ID]: id }, envelope);
  },
  alias(call, fields, _at, envelope) {
    const { id, problem } = readId(fields, 'previousId');
    if (id === undefined || call.subject?.customId === undefined) {
      const reason = problem ?? 'userId and previousId are required.';
      call.problems.push({ outcome: 'refused', reason });
      return;
    }
    call.unites = true;
    call.previousCustomId = id;
    call.subject = { customId: call.subject.customId, profileId: envelope.anonymousProfile(id) };
  },
};

/** What the batch says holds where the call says nothing else. */
function contextOf(fields: Fields, { context }: Envelope): Fields {
  const said = own(fields, 'context');
  return isRecord(said) ? { ...context, ...said } : context;
}

/** The trait that a group call makes. */
const GROUP_ID = 'group_id';

function readView(kind: 'page' | 'screen', call: Call, fields: Fields, at: Instant, envelope: Envelope): void {
  const { [kind]: type = `${kind}-viewed` } = envelope.mapping;
  if (type === null) return;
  const [name, category] = [own(fields, 'name'), own(fields, 'category')];
  const data = {
    ...(typeof name === 'string' && { name }),
    ...(typeof category === 'string' && { category }),
    ...propertiesOf(fields),
  };
  addActivity(call, fields, type, at, data, envelope);
}

function propertiesOf(fields: Fields): Record<string, unknown> {
  const properties = own(fields, 'properties');
  return isRecord(properties) ? properties : {};
}

function addTraits(call: Call, traits: Record<string, unknown>, envelope: Envelope): void {
  const { problems, ...read } = readTraits(traits, envelope);
  Object.assign(call, read);
  call.problems.push(...problems);
}

function addActivity(
  call: Call,
  fields: Fields,
  type: string,
  at: Instant,
  properties: Record<string, unknown>,
  { catalogue, trust }: Envelope,
): void {
  const value = own(properties, 'value');
  const isValue = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_VALUE;
  const { data, left } = cutData(properties, (key) => isRead(catalogue, type, key));
  if (left > 0) {
    const reason = `Its properties have more than ${MAX_DATA_BYTES} bytes: kept are those that a rule or an attribute reads; ${left} are left out.`;
    call.problems.push({ outcome: 'cut', reason });
  }
  call.activity = {
    id: activityId(own(fields, 'messageId')),
    type,
    at,
    ...(isValue && trust === 'server' && { value }),
    ...(Object.keys(data).length > 0 && { data }),
  };
}

/** What is sent again under the same id counts once. Without one, each is another. */
function activityId(messageId: unknown): string {
  if (typeof messageId !== 'string' || messageId === '') return newId();
  if (codePoints(messageId) <= MAX_ACTIVITY_ID && isReachable(messageId)) return messageId;
  return createHash('sha256').update(messageId).digest('hex');
}

export function isRead({ facts, types }: Reader['catalogue'], type: string, key: string): boolean {
  const typeId = types.get(type)?.id;
  return facts.some((fact) => fact.key === key && (fact.typeId === 0 || fact.typeId === typeId));
}

/** Where it is too large, only what is read, as far as that is not too large either. */
export function cutData(
  data: Record<string, unknown>,
  isRead: (key: string) => boolean,
): { data: Record<string, unknown>; left: number } {
  if (fits(data)) return { data, left: 0 };
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    if (!isRead(key)) continue;
    Object.defineProperty(kept, key, { value, enumerable: true, configurable: true, writable: true }); // whatever it is called
    if (!fits(kept)) delete kept[key];
  }
  return { data: kept, left: Object.keys(data).length - Object.keys(kept).length };
}

function fits(data: Record<string, unknown>): boolean {
  const text = JSON.stringify(data);
  return text.length * 3 <= MAX_DATA_BYTES || Buffer.byteLength(text) <= MAX_DATA_BYTES;
}
