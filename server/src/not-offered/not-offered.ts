// What LiveLike offers and this server does not. Their clients take the addresses of it from the application and the profile;
// where one is missing they ask `undefined?…` of the page's own site, with the fan's token, or resolve as if all were
// well. So each address is there, leads here, and says in a sentence that there is no such thing.

import { Type, type TString } from 'typebox';

/** The name in the path → what it is called in the sentence: `<name> are not part of Grandstand.` */
export const FEATURES = {
  badges: 'Badges',
  'chat-rooms': 'Chat rooms',
  comments: 'Comments',
  images: 'Images',
  leaderboards: 'Leaderboards',
  media: 'Media',
  'profile-blocks': 'Blocks between profiles',
  'profile-relationships': 'Relationships between profiles',
  programs: 'Lists of programs',
  quests: 'Quests',
  reactions: 'Reactions',
  'redemption-keys': 'Redemption keys',
  resources: 'Resources of roles',
  rewards: 'Rewards',
  roles: 'Roles',
  sessions: 'Sessions that follow a video',
  'smart-contracts': 'Smart contracts',
  sponsors: 'Sponsors',
  stickers: 'Stickers',
  'video-rooms': 'Video rooms',
  widgets: 'Widgets',
} as const;

export type Feature = keyof typeof FEATURES;

/** Below `/api/v1/not-offered/`. */
export type NotOfferedPath = `${Feature}/${string}`;

export const notOfferedDetail = (feature: Feature): string => `${FEATURES[feature]} are not part of Grandstand.`;

export const isFeature = (name: string): name is Feature => Object.hasOwn(FEATURES, name);

/** The fields of a resource that lead here, by their paths. `{client_id}` and what else is in `values` is filled in; other braces stay. */
export function notOfferedAddresses<Name extends string>(
  paths: Record<Name, NotOfferedPath>,
  origin: string,
  values: Record<string, string>,
): Record<Name, string> {
  const root = `${origin}/api/v1/not-offered/`;
  const fields = {} as Record<Name, string>; // filled with every name below
  for (const name in paths)
    fields[name] = root + paths[name].replace(/\{(\w+)\}/g, (brace, key: string) => values[key] ?? brace);
  return fields;
}

/** The schema of those fields. */
export function notOfferedFields<Name extends string>(paths: Record<Name, NotOfferedPath>): Record<Name, TString> {
  const description = 'Read by clients of LiveLike; leads to the answer `not_offered`.';
  const fields = {} as Record<Name, TString>; // filled with every name below
  for (const name in paths) fields[name] = Type.String({ description });
  return fields;
}
