// What a fan did, as a sentence: for the types of the platform in words of their own, for others by what their types are called.

import type { Activity } from '../../types.ts';

type Data = Record<string, unknown>;

/** A sentence, and the keys of the data that it has told already. */
interface Told {
  text: string;
  used?: string[];
  tellsValue?: boolean;
  /** The rest of the data only says it in other ways. */
  tellsAll?: boolean;
}

const number = new Intl.NumberFormat(typeof navigator === 'undefined' ? 'en' : navigator.language);
const read = (data: Data, key: string): string | undefined => {
  const value = data[key];
  return typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number'
      ? number.format(value)
      : undefined;
};

const PLAIN: Record<string, string> = {
  'badge-awarded': 'Was awarded a badge',
  'chat-mention-created': 'Mentioned somebody in a chat',
  'chat-message-created': 'Sent a chat message',
  'comment-created': 'Posted a comment',
  'comment-mention-created': 'Mentioned somebody in a comment',
  'comment-reply-created': 'Posted a reply',
  'comment-reported': 'Had a comment reported by others',
  'leaderboard-ranking-updated': 'Moved in the leaderboards',
  'leaderboard-viewed': 'Viewed a leaderboard',
  'page-viewed': 'Viewed a page',
  'poll-voted': 'Voted in a poll',
  'prediction-made': 'Made a prediction',
  'profile-relationship-created': 'Formed a relationship',
  'profile-relationship-deleted': 'Ended a relationship',
  'quiz-answered': 'Answered a quiz',
  'reward-action-triggered': 'Triggered a reward action',
  'rich-post-created': 'Published a post',
  'rich-post-mention-created': 'Mentioned somebody in a post',
  'role-assignment-created': 'Was assigned a role',
  'screen-viewed': 'Viewed a screen',
  'session-started': 'Started a session',
  'streak-milestone-reached': 'Reached a milestone of a streak',
  'streak-reset': 'Lost a streak',
  'streak-updated': 'Kept a streak going',
  'tier-changed': 'Changed tier',
  'toxicity-scored': 'Was scored for toxicity',
  'user-quest-completed': 'Completed a quest',
  'user-quest-failed': 'Failed a quest',
  'user-quest-reward-awarded': 'Was awarded the reward of a quest',
  'user-quest-reward-claimed': 'Claimed the reward of a quest',
  'user-quest-started': 'Started a quest',
  'user-quest-task-completed': 'Completed a task of a quest',
  'user-quest-task-progressed': 'Came further in a task of a quest',
  'user-reaction-created': 'Added a reaction',
  'user-reaction-deleted': 'Removed a reaction',
  'widget-interacted': 'Used a widget',
};

/** Types whose value or data say the essence. */
const TELLING: Record<string, (data: Data, value: number) => Told | undefined> = {
  'reward-earned': (_data, value) => ({ text: `Earned ${number.format(value)} in rewards`, tellsValue: true }),
  'reward-spent': (_data, value) => ({ text: `Spent ${number.format(value)} in rewards`, tellsValue: true }),
  'streak-updated': (data) => {
    const length = data['current_streak_length'];
    if (typeof length !== 'number') return undefined;
    const text = length === 1 ? 'Began a streak' : `Kept a streak going: ${number.format(length)} in a row`;
    return { text, tellsAll: true };
  },
  'streak-milestone-reached': (data) => lengthOf(data, 'length', (length) => `Reached a streak of ${length}`),
  'streak-reset': (data) => lengthOf(data, 'length', (length) => `Lost a streak of ${length}`),
  'tier-changed': (data) => {
    const tier = read(data, 'status_tier');
    if (tier === undefined) return undefined;
    const verb = data['direction'] === 'upgraded' ? 'Rose' : data['direction'] === 'downgraded' ? 'Fell' : 'Went';
    return { text: `${verb} to ${tier}`, used: ['status_tier', 'direction'] };
  },
  'toxicity-scored': (data) => lengthOf(data, 'toxicity_score', (score) => `Was scored ${score} for toxicity`),
};

function lengthOf(data: Data, key: string, text: (shown: string) => string): Told | undefined {
  const shown = read(data, key);
  return shown === undefined ? undefined : { text: text(shown), used: [key] };
}

export interface Sentence {
  text: string;
  /** What else its data says, shortened: `about: match`. */
  beside: string[];
}

const SHOWN = 3;
const LONGEST = 40;
/** Kept for those who ask: what no person reads. */
const isForMachines = (key: string): boolean => /(^|_)(id|ids|url|uuid)$/.test(key);

/** `label` is what the type is called in this application. */
export function sentenceOf({ type, value, data }: Pick<Activity, 'type' | 'value' | 'data'>, label: string): Sentence {
  const known = data ?? {};
  const told: Told = TELLING[type]?.(known, value) ?? { text: PLAIN[type] ?? label };
  const rest = Object.entries(known).flatMap(([key]) => {
    const shown = told.tellsAll || told.used?.includes(key) || isForMachines(key) ? undefined : read(known, key);
    return shown === undefined ? [] : [`${key.replaceAll('_', ' ')}: ${shorten(shown)}`];
  });
  const worth = value === 1 || told.tellsValue ? [] : [`value: ${number.format(value)}`];
  return { text: told.text, beside: [...worth, ...rest].slice(0, SHOWN) };
}

const shorten = (text: string): string => {
  const characters = [...text];
  return characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST).join('')}…`;
};
