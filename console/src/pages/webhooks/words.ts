// What webhooks are told of and how they are, in words.

import type { Webhook, WebhookDelivery } from '@grandstand/sdk/server';
import type { Tone } from '../../ui/bits.tsx';

export const EVENTS: [event: string, label: string][] = [
  ['membership.changed', 'Profiles enter or leave a group'],
  ['profile.created', 'A profile is created'],
  ['profile.updated', 'A profile changes'],
  ['profile.merged', 'A profile becomes part of another'],
  ['profile.erased', 'A profile is erased'],
  ['group.created', 'A group is created'],
  ['group.updated', 'A group changes'],
  ['group.deleted', 'A group is deleted'],
  ['evaluation.failed', 'The rule of a group cannot be evaluated'],
];

export const STATUSES: Record<string, { tone: Tone; label: string }> = {
  healthy: { tone: 'good', label: 'Healthy' },
  failing: { tone: 'warn', label: 'Failing' },
  disabled: { tone: 'bad', label: 'Turned off' },
};

export const DELIVERY_STATES: Record<string, { tone: Tone; label: string }> = {
  delivered: { tone: 'good', label: 'Delivered' },
  pending: { tone: 'warn', label: 'Waits' },
  failed: { tone: 'bad', label: 'Failed' },
};

export const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

/** What people call it: their own words, else where it leads. */
export const nameOf = ({ description, url }: Pick<Webhook, 'description' | 'url'>): string => {
  const [line = ''] = description.trim().split('\n');
  return line === '' ? hostOf(url) : line.slice(0, 100);
};

/** How the last attempt went: `200`, or why there was no answer. */
export function outcomeOf({ attempts }: Pick<WebhookDelivery, 'attempts'>): string {
  const last = attempts.at(-1);
  if (!last) return 'not sent yet';
  return last.status === null ? (last.error ?? 'no answer') : String(last.status);
}
