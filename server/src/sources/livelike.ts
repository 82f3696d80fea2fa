// LiveLike's webhooks as activities. Who acted stands in another field for each event, and `profile_id` is not always the one:
// the table says which. docs/sources/livelike.md shows it to people.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { MAX_ACTIVITY_ID, MAX_VALUE } from '../activities/activity.ts';
import { readUuid } from '../ids.ts';
import type { Instant } from '../instant.ts';
import { nicknameProblem } from '../profiles/nickname.ts';
import { MAX_CUSTOM_ID } from '../profiles/profile.ts';
import { isRecord, own, shorten } from '../rules/fields.ts';
import { codePoints } from '../rules/values.ts';
import type { Call, Subject } from './call.ts';
import { cutData, isRead, readInstant } from './segment.ts';
import type { Reader } from './traits.ts';

interface EventRow {
  /** The activity types that it makes. */
  types: readonly string[];
  /** Who acted: `<by>_id`, `<by>_custom_id`, `<by>_nickname`. */
  by: string;
  /** The field of `data` that says when; where it is not there, the envelope does. */
  at: string;
}

const row = (types: string | readonly string[], by = 'profile', at = 'created_at'): EventRow => ({
  types: [types].flat(),
  by,
  at,
});
const questReward = row(['user-quest-reward-awarded', 'reward-earned'], 'profile', '');

export const LIVELIKE_EVENTS: Readonly<Record<string, EventRow>> = {
  'comment-created': row('comment-created', 'author'),
  'comment-reply-created': row('comment-reply-created', 'reply_author'),
  'comment-mention-created': row('comment-mention-created', 'mentioned_by'),
  'chat-message-created': row('chat-message-created', 'sender'),
  'chat-mention-created': row('chat-mention-created', 'mentioned_by'),
  'user-reaction-created': row('user-reaction-created', 'reaction_created_by'),
  'user-reaction-deleted': row('user-reaction-deleted', 'reaction_created_by', 'deleted_at'),
  'user-quest-task-progressed': row('user-quest-task-progressed', 'profile', ''),
  'user-quest-task-completed': row('user-quest-task-completed', 'profile', 'completed_at'),
  'user-quest-completed': row('user-quest-completed', 'profile', 'completed_at'),
  // One event has two names.
  'user-quest-reward-awarded': questReward,
  'user-reward-awarded': questReward,
  'reward-table-rewards-awarded': row('reward-earned', 'profile', ''),
  'badge-awarded': row('badge-awarded', 'profile', ''),
  'profile-relationship-created': row('profile-relationship-created'),
  'role-assignment-created': row('role-assignment-created'),
  'rich-post-created': row('rich-post-created', 'created_by'),
  'rich-post-mention-created': row('rich-post-mention-created', 'mentioned_by'),
};

/** Settings over there, nothing that a fan did. */
const SETTINGS = /^(chat-message-throttle-updated|flair-.*)$/;

/** Adds up what the profile earned. */
const AMOUNT = 'reward_item_amount';
const EARNED = 'reward-earned';
/** Of the same in all events, or of no use to a rule. */
const LEFT_OUT = /^client_id$|_image_url$|^image_url$|nickname$/;

export type LiveLikeReader = Reader & { receivedAt: Instant };

/** What one message asks for: mostly one activity, of some events two. */
export function readLiveLike(message: unknown, reader: LiveLikeReader): Call[] {
  const fields = isRecord(message) ? message : {};
  const event = own(fields, 'event');
  const call: Call = {
    call: typeof event === 'string' ? shorten(event) : 'unknown',
    name: null,
    item: message,
    subject: undefined,
    problems: [],
  };
  const end = (outcome: 'refused' | 'not_mapped', reason: string): Call[] => {
    call.problems.push({ outcome, reason });
    return [call];
  };
  const [id, data] = [own(fields, 'id'), own(fields, 'data')];
  if (typeof event !== 'string' || typeof id !== 'string' || id === '' || !isRecord(data))
    return end('refused', 'A message has id, event and data.');
  if (codePoints(id) > MAX_ACTIVITY_ID - SUFFIX) return end('refused', 'id: This is too long.');
  const mapped = own(reader.mapping.events ?? {}, event) as string | null | undefined; // by the schema
  if (mapped === null || (mapped === undefined && SETTINGS.test(event))) return [call];
  const known = own({ ...LIVELIKE_EVENTS }, event) as EventRow | undefined; // by its type
  const types = mapped === undefined ? known?.types : [mapped];
  if (!types) return end('not_mapped', 'Nothing is known of this event; name its activity type in mapping.events.');
  const actor = readActor(data, known?.by ?? 'profile');
  if (typeof actor === 'string') return end('refused', actor);
  const said = own(data, known?.at ?? 'created_at') ?? own(fields, 'created_at') ?? undefined;
  const at = said === undefined ? reader.receivedAt : readInstant(said);
  if (at === undefined) return end('refused', 'created_at: This must be an ISO 8601 date and time.');
  return activitiesOf({ ...call, ...actor, unites: true }, id, types, at, data, reader);
}

/** What a second activity of one message has behind its id. */
const SUFFIX = 16;

function activitiesOf(
  call: Call,
  id: string,
  types: readonly string[],
  at: Instant,
  data: Record<string, unknown>,
  { catalogue }: LiveLikeReader,
): Call[] {
  const amount = own(data, AMOUNT);
  const isAmount = typeof amount === 'number' && Number.isInteger(amount) && amount >= 1 && amount <= MAX_VALUE;
  const useful = Object.fromEntries(Object.entries(data).filter(([key]) => !LEFT_OUT.test(key)));
  const calls = types.map((type, index): Call => {
    const { data: kept } = cutData(useful, (key) => isRead(catalogue, type, key));
    const activity = {
      id: index === 0 ? id : `${id}:${type}`.slice(0, id.length + SUFFIX),
      type,
      at,
      data: kept,
      ...(type === EARNED && isAmount && { value: amount }),
    };
    return { ...call, activity, problems: [] };
  });
  // Without an amount nothing was earned that could be added up.
  return calls.filter(({ activity }) => types.length === 1 || activity?.type !== EARNED || isAmount);
}

function readActor(data: Record<string, unknown>, by: string): { subject: Subject; firstNickname?: string } | string {
  const [id, customId] = [own(data, `${by}_id`), own(data, `${by}_custom_id`)];
  const profileId = typeof id === 'string' ? readUuid(id) : undefined;
  const isCustomId = typeof customId === 'string' && customId !== '';
  if (profileId === undefined && !isCustomId) return `${by}_id: This must be the UUID of who acted.`;
  if (isCustomId && codePoints(customId) > MAX_CUSTOM_ID)
    return `${by}_custom_id: This must have at most ${MAX_CUSTOM_ID} characters.`;
  const nickname = own(data, `${by}_nickname`) ?? (by === 'profile' ? own(data, 'nickname') : undefined);
  const trimmed = typeof nickname === 'string' ? nickname.trim() : '';
  return {
    subject: { ...(isCustomId && { customId }), ...(profileId !== undefined && { profileId }) },
    ...(nicknameProblem(trimmed) === undefined && { firstNickname: trimmed }),
  };
}

/**
 * Whether the message is signed by one of the keys. Both samples that LiveLike publishes sign the parsed body written again,
 * one with characters beyond ASCII as they are, one with them escaped; what its own sender does is not said.
 */
export function isSigned(body: Buffer, parsed: unknown, signature: string, keys: readonly string[]): boolean {
  const compact = JSON.stringify(parsed);
  const escaped = compact.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const given = Buffer.from(signature, 'base64');
  let isGood = false;
  for (const key of keys)
    for (const text of [body, compact, escaped]) {
      const right = createHmac('sha1', key).update(text).digest();
      // All of them are compared: which one it was is not told by time.
      if (given.length === right.length && timingSafeEqual(given, right)) isGood = true;
    }
  return isGood;
}
