// A program is LiveLike's word for one event on air. There are none here, but pages made for LiveLike ask for the one that they
// show before anything else, and take the client id from the answer.

import { Type, type Static } from 'typebox';
import { formatInstant } from '../instant.ts';
import { notOfferedAddresses, notOfferedFields, type NotOfferedPath } from '../not-offered/not-offered.ts';
import type { Application } from './application.ts';

const NOT_OFFERED = {
  leaderboard_url: 'leaderboards/',
  rank_url: 'leaderboards/ranks/',
  reaction_packs_url: 'reactions/packs/',
  sponsors_url: 'sponsors/',
  sticker_packs_url: 'stickers/packs/',
  sync_sessions_url: 'sessions/',
  // Clients append `&…` to this one.
  timeline_url: 'widgets/timeline/?program_id={program_id}',
  unclaimed_widget_interactions_url_template: 'widgets/unclaimed-interactions/{profile_id}/',
  widget_interactions_url_template: 'widgets/interactions/{profile_id}/',
  widgets_url: 'widgets/',
} as const satisfies Record<string, NotOfferedPath>;

const nothing = (description: string) => Type.Array(Type.Null(), { maxItems: 0, description });

export const ProgramResource = Type.Object(
  {
    id: Type.String({ description: 'As it was asked for.' }),
    url: Type.String(),
    client_id: Type.String({ description: 'The application.' }),
    application_url: Type.String(),
    title: Type.String({ description: 'The application’s name.' }),
    custom_id: Type.Null(),
    created_at: Type.String({ description: 'When the application was made.' }),
    status: Type.Literal('live'),
    subscribe_channel: Type.String(),
    widgets_enabled: Type.Literal(false),
    chat_enabled: Type.Literal(false),
    stream_url: Type.Literal(''),
    chat_rooms: nothing('None.'),
    default_chat_room: Type.Null(),
    leaderboards: nothing('None.'),
    reward_items: nothing('None.'),
    sponsors: nothing('None.'),
    rewards_type: Type.Literal('none'),
    analytics_properties: Type.Object({ 'Program ID': Type.String(), 'Program Title': Type.String() }),
    ...notOfferedFields(NOT_OFFERED),
  },
  { $id: 'Program' },
);

export function presentProgram(application: Application, id: string, origin: string): Static<typeof ProgramResource> {
  const { client_id: clientId, name } = application;
  const root = `${origin}/api/v1`;
  return {
    id,
    url: `${root}/programs/${encodeURIComponent(id)}/?client_id=${clientId}`,
    client_id: clientId,
    application_url: `${root}/applications/${clientId}/`,
    title: name,
    custom_id: null,
    created_at: formatInstant(application.created_at),
    status: 'live',
    subscribe_channel: `program.${id}`,
    widgets_enabled: false,
    chat_enabled: false,
    stream_url: '',
    chat_rooms: [],
    default_chat_room: null,
    leaderboards: [],
    reward_items: [],
    sponsors: [],
    rewards_type: 'none',
    analytics_properties: { 'Program ID': id, 'Program Title': name },
    ...notOfferedAddresses(NOT_OFFERED, origin, { program_id: encodeURIComponent(id) }),
  };
}
