// What a stream tells next, read from the feeds: nothing is written for webhooks where it happens. A message that was begun
// is told again from its bounds.

import type { Queryable } from '../database/database.ts';
import { sql } from '../database/database.ts';
import { findCustomIds, listLaneEvents } from '../events/event-store.ts';
import type { GroupEventData, ProfileEventData, StoredEvent } from '../events/event.ts';
import { listChanges, summarizeSwitch, type Change } from '../groups/change-store.ts';
import type { Instant } from '../instant.ts';
import { changeItem, changesBody, countThatFit, groupBody, MAX_BYTES, MAX_CHANGES, profileBody, switchBody, type GroupName } from './message.ts'; // prettier-ignore
import { sourceOf, type Pending } from './stream.ts';
import { CHANGED, followsGroup, wantsEvent, type Webhook } from './webhook.ts';

export interface FeedGroup extends GroupName {
  application_id: number;
  created_at: Instant;
  epoch: number;
  /** The sequence of its newest change. */
  newest: number;
}

/** All groups of these applications, and how far their feeds reach. */
export async function listFeedGroups(db: Queryable, applicationIds: readonly number[]): Promise<FeedGroup[]> {
  const { rows } = await db.query<FeedGroup>(sql`
    select g.id, g.name, g.custom_id, g.application_id, g.created_at, h.epoch, h.base_sequence + h.last_number as newest
    from groups g join group_heads h on h.group_id = g.id where h.application_id = any (${applicationIds}::int[])`);
  return rows;
}

export async function findFeedGroup(db: Queryable, groupId: string): Promise<FeedGroup | undefined> {
  const { rows } = await db.query<FeedGroup>(sql`
    select g.id, g.name, g.custom_id, g.application_id, g.created_at, h.epoch, h.base_sequence + h.last_number as newest
    from groups g join group_heads h on h.group_id = g.id where h.group_id = ${groupId}`);
  return rows[0];
}

/** Another text whenever something changed in the feeds of groups, or groups came and went. */
export async function fingerprintFeeds(db: Queryable, applicationIds: readonly number[]): Promise<string> {
  const { rows } = await db.query<{ text: string }>(sql`
    select count(*) || ' ' || coalesce(sum(base_sequence + last_number), 0) as text from group_heads
    where application_id = any (${applicationIds}::int[])`);
  return rows[0]?.text ?? '';
}

/** Whose feed, and what is asked of it. */
export interface Told {
  webhook: Pick<Webhook, 'application_id' | 'events' | 'groups' | 'switches'>;
  clientId: string;
  /** Of a stream of changes. */
  group: FeedGroup | undefined;
}

export interface Draft extends Omit<Pending, 'id'> {
  body: string;
}

export interface FeedReader {
  /** The next message of a stream after a sequence; `skipTo` where nothing up to there is asked for; undefined at its end. */
  next(stream: string, told: Told, after: number): Promise<Draft | { skipTo: number } | undefined>;
  /** The body of a message by its bounds; undefined where the feed does not reach back there any more. */
  again(stream: string, told: Told, pending: Pick<Pending, 'event' | 'first' | 'last'>): Promise<string | undefined>;
}

const EVENTS_AT_ONCE = 200;

interface ReadChanges {
  changes: Change[];
  items: string[];
}

interface ReadEvents {
  from: number;
  events: StoredEvent[];
  customIds: Map<string, string | null>;
  /** There were no more. */
  isAll: boolean;
}

/** What it read is kept as long as it lives: webhooks that stand at the same place share it. */
export function createFeedReader(db: Queryable): FeedReader {
  const changesRead = new Map<string, Promise<ReadChanges>>();
  const eventsRead = new Map<string, ReadEvents>();

  const readChanges = (
    group: Pick<FeedGroup, 'id' | 'epoch'>,
    after: number,
    limit = MAX_CHANGES,
  ): Promise<ReadChanges> => {
    // prettier-ignore
    const key = `${group.id} ${after} ${limit}`;
    let read = changesRead.get(key);
    if (!read) changesRead.set(key, (read = load(group, after, limit)));
    return read;
  };
  const load = async (group: Pick<FeedGroup, 'id' | 'epoch'>, after: number, limit: number): Promise<ReadChanges> => {
    const changes = await listChanges(db, group.id, group.epoch, after, limit);
    const customIds = await findCustomIds(db, changes.map((change) => change.profile_id)); // prettier-ignore
    return { changes, items: changes.map((change) => changeItem(change, customIds.get(change.profile_id) ?? null)) };
  };

  const nextChanges = async ({ webhook, clientId, group }: Told, after: number): Promise<Draft | undefined> => {
    if (!group) return undefined;
    const { changes, items } = await readChanges(group, after);
    const [first] = changes;
    if (!first) return undefined;
    if (webhook.switches === 'summary' && first.is_of_switch) {
      const summary = await summarizeSwitch(db, group.id, first.epoch, after);
      const body = switchBody(clientId, group, first, summary);
      return { event: CHANGED, first: first.sequence, last: summary.last, at: first.at, body };
    }
    const ofSwitch = webhook.switches === 'summary' ? changes.findIndex((change) => change.is_of_switch) : -1;
    const count = countThatFit(ofSwitch === -1 ? items : items.slice(0, ofSwitch));
    const told = changes.slice(0, count);
    const last = told.at(-1)?.sequence ?? first.sequence;
    const body = changesBody(clientId, group, told, items.slice(0, count));
    return { event: CHANGED, first: first.sequence, last, at: first.at, body };
  };

  const changesAgain = async (
    { webhook, clientId, group }: Told,
    { first, last }: Pick<Pending, 'first' | 'last'>,
  ): Promise<string | undefined> => {
    // prettier-ignore
    if (!group) return undefined;
    const count = last - first + 1;
    const { changes, items } = await readChanges(group, first - 1, Math.min(count, MAX_CHANGES));
    const [start] = changes;
    if (start?.sequence !== first) return undefined;
    if (start.is_of_switch && (count > MAX_CHANGES || webhook.switches === 'summary')) {
      const summary = await summarizeSwitch(db, group.id, start.epoch, first - 1);
      return summary.last === last ? switchBody(clientId, group, start, summary) : undefined;
    }
    if (changes.length < count) return undefined;
    const body = changesBody(clientId, group, changes, items);
    if (Buffer.byteLength(body) <= MAX_BYTES) return body;
    // Custom ids grew since the first attempt, by more than was left free for that.
    return changesBody(clientId, group, changes, changes.map((change) => changeItem(change, null))); // prettier-ignore
  };

  /** Some events of a lane after a sequence, read once for many turns. */
  const readEvents = async ({ webhook }: Told, feed: 'profile' | 'group', lane: number, after: number) => {
    const key = `${webhook.application_id} ${feed} ${lane}`;
    const known = eventsRead.get(key);
    if (known && known.from <= after && (known.isAll || (known.events.at(-1)?.sequence ?? 0) > after)) return known;
    const events = await listLaneEvents<ProfileEventData | GroupEventData>(db, webhook.application_id, feed, lane, after, EVENTS_AT_ONCE); // prettier-ignore
    const customIds =
      feed === 'profile' ? await findCustomIds(db, events.map((event) => event.subject_id)) : new Map<string, null>(); // prettier-ignore
    const read = { from: after, events, customIds, isAll: events.length < EVENTS_AT_ONCE };
    eventsRead.set(key, read);
    return read;
  };
  const bodyOf = (
    told: Told,
    feed: 'profile' | 'group',
    event: StoredEvent,
    customIds: Map<string, string | null>,
  ): string =>
    feed === 'profile'
      ? profileBody(told.clientId, event as StoredEvent<ProfileEventData>, customIds.get(event.subject_id) ?? null)
      : groupBody(told.clientId, event as StoredEvent<GroupEventData>); // of that feed

  const isWanted = (told: Told, feed: 'profile' | 'group', event: StoredEvent): boolean => {
    if (!wantsEvent(told.webhook, event.event)) return false;
    const customId = (event.data as GroupEventData | null)?.custom_id ?? null; // of groups
    return feed === 'profile' || followsGroup(told.webhook, { id: event.subject_id, custom_id: customId });
  };

  const nextEvent = async (
    told: Told,
    feed: 'profile' | 'group',
    lane: number,
    after: number,
  ): Promise<Draft | { skipTo: number } | undefined> => {
    // prettier-ignore
    const { events, customIds } = await readEvents(told, feed, lane, after);
    const following = events.filter((event) => event.sequence > after);
    const event = following.find((each) => isWanted(told, feed, each));
    if (event) {
      const { sequence, at } = event;
      return { event: event.event, first: sequence, last: sequence, at, body: bodyOf(told, feed, event, customIds) };
    }
    const last = following.at(-1);
    return last && { skipTo: last.sequence };
  };

  return {
    async next(stream, told, after) {
      const source = sourceOf(stream);
      if (source.kind === 'changes') return nextChanges(told, after);
      return nextEvent(told, source.kind, source.kind === 'profile' ? source.lane : 0, after);
    },
    async again(stream, told, pending) {
      const source = sourceOf(stream);
      if (source.kind === 'changes') return changesAgain(told, pending);
      const lane = source.kind === 'profile' ? source.lane : 0;
      const { events, customIds } = await readEvents(told, source.kind, lane, pending.first - 1);
      const event = events.find((each) => each.sequence === pending.first);
      return event && bodyOf(told, source.kind, event, customIds);
    },
  };
}
