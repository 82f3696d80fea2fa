// An export: everything of one kind as a file. What there is, its columns, and how it is asked for.

import { Type } from 'typebox';
import { ActivityResource } from '../activities/activity.ts';
import { invalid } from '../errors.ts';
import { askedFormat } from '../files/asked-format.ts';
import type { FileFormat } from '../files/body.ts';
import { ProfileResource } from '../profiles/profile.ts';

export { askedFormat, TYPES } from '../files/asked-format.ts';

export const EXPORTS = ['profiles', 'activities', 'members', 'changes'] as const;
export type ExportKind = (typeof EXPORTS)[number];

/** CSV unless the caller asks for the other one. */
export function readFormat(format: string | undefined, accept: string | undefined): FileFormat {
  const asked = askedFormat(format, accept);
  if (asked) return asked;
  if (accept === undefined || /\*\/\*|text\/\*/.test(accept)) return 'csv';
  throw invalid('format', 'Accept text/csv or application/x-ndjson, or say csv or ndjson here.');
}

const instant = Type.String({ examples: ['2026-03-01T12:00:00Z'] });
const id = Type.String({ examples: ['018f1c2e-9b5d-7c3a-8f1e-2a4b6c8d0e1f'] });
const customId = Type.Union([Type.String(), Type.Null()], { examples: ['fan-1'] });

/** All that is stored about one fan; written piece by piece, so this is for the documentation. */
export const ProfileExportResource = Type.Object({
  exported_at: instant,
  profile: ProfileResource,
  access_tokens: Type.Array(Type.Object({ id, created_at: instant }), { description: 'Not their texts.' }),
  device_keys: Type.Array(Type.Object({ access_token_id: id })),
  merged_profiles: Type.Array(Type.Object({ id, custom_id: customId, merged_at: instant })),
  groups: Type.Array(Type.Object({ group_id: id, name: Type.String(), custom_id: customId, member_since: instant })),
  group_changes: Type.Array(
    Type.Object({
      group_id: id,
      sequence: Type.Integer(),
      change: Type.String({ examples: ['entered'] }),
      at: instant,
      cause: Type.String({ examples: ['activity'] }),
    }),
  ),
  pins: Type.Optional(
    Type.Array(Type.Object({ group_id: id, pin: Type.String(), reason: Type.String(), created_at: instant }), {
      description: 'For administrators.',
    }),
  ),
  profile_changes: Type.Array(Type.Object({ event: Type.String({ examples: ['profile.created'] }), at: instant })),
  source_items: Type.Array(
    Type.Object({
      source: Type.Optional(Type.String()),
      at: instant,
      call: Type.String({ examples: ['identify'] }),
      name: Type.Union([Type.String(), Type.Null()], { examples: ['Comment Created'] }),
      outcome: Type.String({ examples: ['refused'] }),
      reason: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      item: Type.Optional(Type.String()),
    }),
    {
      description:
        'What is kept of what sources sent about the fan lately. Text, reason and source are for administrators.',
    },
  ),
  withheld: Type.Optional(
    Type.Object(
      {
        attributes: Type.Integer(),
        groups: Type.Integer(),
        group_changes: Type.Integer(),
        pins: Type.Integer(),
        source_items: Type.Integer(),
      },
      { description: 'For the fan: how much only administrators are shown.' },
    ),
  ),
  activities: Type.Array(ActivityResource),
});
