// What a webhook is told comes in streams: the changes of each group, the events of profiles in lanes, the events of
// groups. Each is told in its own order, one message at a time, and knows how far it came.

import { LANES } from '../events/event.ts';
import type { Instant } from '../instant.ts';

export type Source = { kind: 'changes'; groupId: string } | { kind: 'profile'; lane: number } | { kind: 'group' };

export const GROUP_EVENTS_STREAM = 'group-events';
export const groupStream = (groupId: string): string => `group:${groupId}`;
export const profileStream = (lane: number): string => `profile:${lane}`;
export const PROFILE_STREAMS = Array.from({ length: LANES }, (_, lane) => profileStream(lane));

export function sourceOf(stream: string): Source {
  const [kind, rest = ''] = stream.split(':');
  if (kind === 'group') return { kind: 'changes', groupId: rest };
  return kind === 'profile' ? { kind: 'profile', lane: Number(rest) } : { kind: 'group' };
}

/** A message that has its bounds: on its way, or to be tried again. */
export interface Pending {
  /** The webhook-id of every attempt. */
  id: string;
  event: string;
  first: number;
  last: number;
  /** Of the first thing that it tells. */
  at: Instant;
}

export interface Progress {
  /** The sequence that was taken last. */
  position: number;
  pending: Pending | null;
  /** Of the pending message. */
  attempts: number;
  nextAttemptAt: Instant | null;
}

export interface Stream extends Progress {
  webhookId: string;
  stream: string;
}
