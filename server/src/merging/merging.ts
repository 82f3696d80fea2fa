// Merging: two profiles of one fan become one. What a call may say, what it answers, and what came along.

import { Type, type Static } from 'typebox';
import { formatInstant } from '../instant.ts';
import { nullable, Timestamp } from '../http/schemas.ts';
import type { MergeRow } from '../profiles/alias-store.ts';
import { ProfileDetailResource } from '../profiles/profile.ts';

/** What becomes of the tokens of the profile that is merged. */
export type TokenFate = 'follow' | 'revoke';

const Tokens = Type.Optional(
  Type.Unsafe<TokenFate>({
    type: 'string',
    enum: ['follow', 'revoke'],
    description:
      'Whether the tokens of the profile that is merged speak for the other one afterwards, or die (default).',
  }),
);

export const MergeFields = Type.Object({
  into: Type.String({
    description: 'The profile that stays: its id, or `custom:…`.',
    examples: ['custom:user-41'],
  }),
  tokens: Tokens,
  force: Type.Optional(
    Type.Boolean({
      description:
        'Merge although both have a `custom_id`. That of the profile that is merged then leads to the other one. Default false.',
    }),
  ),
});
export type MergeFields = Static<typeof MergeFields>;

export const MergeOwnFields = Type.Object({
  access_token: Type.String({
    description: 'An access token of the other profile. One of the two has a `custom_id`: that one stays.',
  }),
  tokens: Tokens,
});

export const MergeResource = Type.Object(
  {
    id: Type.String({ description: 'The id that was merged. From now on it leads to the profile.' }),
    into: Type.String({ description: 'The id of the profile.' }),
    state: Type.Unsafe<'merging' | 'merged'>({
      type: 'string',
      enum: ['merging', 'merged'],
      description:
        '`merging` while a long history is still being brought over in the background. Everything reads as if that were done.',
    }),
    progress: Type.Number({ description: 'How much of that is done, from 0 to 1.' }),
    merged_at: Timestamp('The instant of the merge.'),
    merged_by: Type.String({ description: '`token:<name>`, `producer:<email>` or `profile`.' }),
    custom_id: nullable({ description: 'That of the merged profile, where the profile has one of its own.' }),
    activities: Type.Integer({ description: 'That came along.' }),
    duplicates: Type.Integer({ description: 'Whose ids both had: the profile’s own stayed.' }),
  },
  { $id: 'Merge' },
);
export type MergeResource = Static<typeof MergeResource>;

export const MergedResource = Type.Object({
  ...MergeResource.properties,
  groups: Type.Object(
    {
      entered: Type.Array(Type.String(), { description: 'Ids of the groups that the profile entered by it.' }),
      left: Type.Array(Type.String(), { description: 'Ids of the groups that it left by it.' }),
    },
    { description: 'What changed for the profile.' },
  ),
  attributes_left_out: Type.Integer({ description: 'Pairs that found no room in the profile.' }),
  profile: ProfileDetailResource,
});

/** Of fans: which groups there are is nothing that they are told. */
export const MergedOwnResource = Type.Object({
  ...MergeResource.properties,
  profile: ProfileDetailResource,
});

export const presentMerge = (row: MergeRow): MergeResource => ({
  id: row.profileId,
  into: row.targetId,
  state: row.progress < 1 ? 'merging' : 'merged',
  progress: row.progress,
  merged_at: formatInstant(row.mergedAt),
  merged_by: row.mergedBy,
  custom_id: row.customId,
  activities: row.activities,
  duplicates: row.duplicates,
});
