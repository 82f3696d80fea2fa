// What systems that send in a form of their own put into their requests, for the OpenAPI document alone. The routes read these
// bodies themselves, call by call: a call that is no good is kept as a problem of its source, and its request is answered 200.

import { Type, type TProperties } from 'typebox';
import { CALLS, type CallKind } from './segment.ts';

export const MAX_BATCH = 5_000;

const moment = (description: string) => Type.Optional(Type.String({ description }));
const free = (description: string) => Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description }));

/** Where the request says it by Basic authentication, it stands nowhere else. */
const writeKey = Type.Optional(
  Type.String({ description: 'The write key of the source, where Basic authentication does not say it.' }),
);
const sentAt = moment('When it was sent, by the sender’s clock: tells by how much that is wrong.');
const context = free('`traits` in it are read as `traits` are.');

const WHO: TProperties = {
  userId: Type.Optional(Type.String({ description: 'The custom id of the profile. One of the two is required.' })),
  anonymousId: Type.Optional(Type.String({ description: 'An anonymous fan of this source.' })),
  messageId: Type.Optional(Type.String({ description: 'What is sent again under the same one counts once.' })),
  timestamp: moment('When it happened, by the sender’s clock. Default: now.'),
  sentAt,
  context,
};
const event = Type.String({ description: 'What was done: makes the activity type.' });
const name = Type.Optional(Type.String({ description: 'Of the page or screen.' }));
const properties = free('The activity’s `data`; a whole `value` in them is its `value`.');
const traits = free('Become attributes.');
const groupId = Type.String({ description: 'Becomes the trait `group_id`.' });
const previousId = Type.String({ description: 'Who becomes part of `userId`.' });

const OF_KIND: Record<CallKind, TProperties> = {
  identify: { traits },
  track: { event, properties },
  page: { name, properties },
  screen: { name, properties },
  group: { groupId },
  alias: { previousId },
};
const SHOWN: Record<CallKind, object> = {
  identify: { userId: 'fan-1001', anonymousId: 'b7f3', traits: { plan: 'gold' } },
  track: { userId: 'fan-1001', messageId: 'm-1', event: 'Comment Created', properties: { match: 'm-6' } },
  page: { anonymousId: 'b7f3', messageId: 'm-2', name: 'Home' },
  screen: { anonymousId: 'b7f3', messageId: 'm-3', name: 'Lobby' },
  group: { userId: 'fan-1001', groupId: 'east-stand' },
  alias: { userId: 'fan-1001', previousId: 'b7f3' },
};

export const CallBody = (kind: CallKind) =>
  Type.Object({ ...WHO, ...OF_KIND[kind], writeKey }, { examples: [SHOWN[kind]] });

const optional = (fields: TProperties): TProperties =>
  Object.fromEntries(Object.entries(fields).map(([key, schema]) => [key, Type.Optional(schema)]));

export const BatchBody = Type.Object(
  {
    batch: Type.Array(
      Type.Object({
        type: Type.Union(CALLS.map((kind) => Type.Literal(kind))),
        ...WHO,
        ...optional(Object.assign({}, ...Object.values(OF_KIND)) as TProperties), // of such
      }),
      { maxItems: MAX_BATCH },
    ),
    context: free('Holds for every call that says nothing else.'),
    sentAt,
    writeKey,
  },
  { examples: [{ batch: [{ type: 'track', ...SHOWN.track }], sentAt: '2025-04-28T12:16:49.670Z' }] },
);

export const LiveLikeBody = Type.Object(
  {
    id: Type.String({ description: 'Of the message: what comes again counts once.' }),
    event: Type.String({ description: 'Which event it is. docs/sources/livelike.md has the table.' }),
    created_at: moment('When it happened.'),
    data: Type.Record(Type.String(), Type.Unknown(), { description: 'Of the event; says who acted.' }),
  },
  {
    examples: [
      {
        id: '0f8ab9e2-8a5f-4c0a-9a50-5b7d1f1f2a31',
        event: 'comment-created',
        created_at: '2025-04-28T12:16:49.670053Z',
        data: { author_id: '174cc6dd-c1da-42d2-886e-c48b2bf803a8', comment_text: 'What a save!' },
      },
    ],
  },
);

export const Taken = Type.Object(
  { success: Type.Boolean() },
  { description: 'It was read.', examples: [{ success: true }] },
);
