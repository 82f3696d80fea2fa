// The bodies of messages: `{type, timestamp, client_id, data}`. Pure: what they say comes from the feeds.

import type { GroupEventData, ProfileEventData, StoredEvent } from '../events/event.ts';
import type { Change, SwitchSummary } from '../groups/change-store.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { CHANGED } from './webhook.ts';

/** The most that is sent at once. */
export const MAX_CHANGES = 500;
export const MAX_BYTES = 256 * 1024;
/** Left free for what surrounds the changes: names of 255 characters may take six bytes each. */
const ENVELOPE_BYTES = 8 * 1024;
/** Left free for custom ids that grow between two attempts. */
const SLACK_BYTES = 24 * 1024;

export interface GroupName {
  id: string;
  name: string;
  custom_id: string | null;
}

const envelope = (type: string, at: Instant, clientId: string, data: string): string =>
  `{"type":"${type}","timestamp":"${formatInstant(at)}","client_id":"${clientId}","data":${data}}`;

const nameOf = ({ id, name, custom_id }: GroupName): string => JSON.stringify({ id, custom_id, name });

/** One change as a message has it. */
export const changeItem = (change: Change, customId: string | null): string =>
  `{"sequence":${change.sequence},"change":"${change.change}","profile_id":"${change.profile_id}","custom_id":${JSON.stringify(customId)},` +
  `"at":"${formatInstant(change.at)}","cause":"${change.cause}"}`;

/** How many of these fit into one message: one at least. */
export function countThatFit(items: readonly string[]): number {
  let free = MAX_BYTES - ENVELOPE_BYTES - SLACK_BYTES;
  for (const [index, item] of items.slice(0, MAX_CHANGES).entries()) {
    free -= Buffer.byteLength(item) + 1;
    if (free < 0) return Math.max(1, index);
  }
  return Math.min(items.length, MAX_CHANGES);
}

export function changesBody(
  clientId: string,
  group: GroupName,
  changes: readonly Change[],
  items: readonly string[],
): string {
  const [first, last] = [changes[0], changes.at(-1)];
  const data = `{"group":${nameOf(group)},"first_sequence":${first?.sequence},"last_sequence":${last?.sequence},"changes":[${items.join(',')}]}`;
  return envelope(CHANGED, last?.at ?? 0, clientId, data);
}

export function switchBody(clientId: string, group: GroupName, first: Change, summary: SwitchSummary): string {
  const { entered, left, last } = summary;
  const told = JSON.stringify({ cause: first.cause, at: formatInstant(first.at), entered, left });
  const data = `{"group":${nameOf(group)},"first_sequence":${first.sequence},"last_sequence":${last},"switch":${told},"changes":[]}`;
  return envelope(CHANGED, first.at, clientId, data);
}

export function profileBody(clientId: string, event: StoredEvent<ProfileEventData>, customId: string | null): string {
  const profile = { id: event.subject_id, custom_id: customId };
  return envelope(
    event.event,
    event.at,
    clientId,
    JSON.stringify({ sequence: event.sequence, profile, ...event.data }),
  );
}

export function groupBody(clientId: string, event: StoredEvent<GroupEventData>): string {
  const { name = '', custom_id = null, ...rest } = event.data ?? {};
  const group = { id: event.subject_id, custom_id, name };
  return envelope(event.event, event.at, clientId, JSON.stringify({ sequence: event.sequence, group, ...rest }));
}

export const testBody = (clientId: string, webhookId: string, at: Instant): string =>
  envelope('test', at, clientId, JSON.stringify({ webhook_id: webhookId }));
