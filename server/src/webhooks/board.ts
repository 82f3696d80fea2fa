// What a worker knows while it sends: the webhooks that are its share, how far each of their streams came, how far the feeds
// reach, and so which streams have something to tell. A memory only: the database decides every move.

import type { Database } from '../database/database.ts';
import { findLastSequences, numberEvents } from '../events/event-store.ts';
import { GROUP_EVENTS, PROFILE_EVENTS, type Feed } from '../events/event.ts';
import { MICROS_PER_SECOND } from '../instant.ts';
import { fingerprintFeeds, listFeedGroups, type FeedGroup, type Told } from './feed.ts';
import { GROUP_EVENTS_STREAM, groupStream, PROFILE_STREAMS, sourceOf, type Stream } from './stream.ts';
import { listStreams } from './stream-store.ts';
import { CHANGED, followsGroup, wantsEvent, type Interest, type Webhook } from './webhook.ts';

export interface Held {
  webhook: Webhook;
  clientId: string;
  streams: Map<string, Stream>;
  /** Streams that may have something to tell, those that waited longest first. */
  ready: Set<Stream>;
  /** Attempts that failed since one succeeded. */
  failures: number;
}

export interface Board {
  held: Map<string, Held>;
  /** Streams that have no row yet. */
  fresh: Stream[];
  /** Streams of groups that are gone. */
  gone: Stream[];
  /** Takes these webhooks over; what is known of one that did not change is kept. */
  hold(webhooks: readonly Webhook[], clientIds: ReadonlyMap<number, string>): Promise<void>;
  /** What is known of this webhook is not so any more: it is read again by the next `hold`. */
  doubted: Set<string>;
  /** Looks how far the feeds reach now. */
  poll(): Promise<void>;
  /** What a stream is asked for. */
  told(held: Held, stream: Stream): Told;
}

/** A group that was being created when a webhook began to follow may carry an earlier instant. */
const CREATION_SLACK = 60 * MICROS_PER_SECOND;

export const wantsFeed = (webhook: Interest, feed: Feed): boolean =>
  (feed === 'profile' ? PROFILE_EVENTS : GROUP_EVENTS).some((event) => wantsEvent(webhook, event));

export function createBoard(db: Database): Board {
  const held = new Map<string, Held>();
  const doubted = new Set<string>();
  const groups = new Map<string, FeedGroup>();
  const lastSequences = new Map<string, number>();
  let fingerprint = '';
  let applications = '';

  const board: Board = { held, fresh: [], gone: [], hold, doubted, poll, told };
  return board;

  async function hold(webhooks: readonly Webhook[], clientIds: ReadonlyMap<number, string>): Promise<void> {
    const current = new Map(webhooks.map((webhook) => [webhook.id, webhook]));
    for (const id of held.keys()) if (!current.has(id)) held.delete(id);
    const changed = webhooks.filter(
      (webhook) => doubted.has(webhook.id) || held.get(webhook.id)?.webhook.version !== webhook.version,
    );
    if (changed.length === 0) return;
    const rows = await listStreams(db, changed.map((webhook) => webhook.id)); // prettier-ignore
    for (const webhook of changed) {
      doubted.delete(webhook.id);
      const streams = rows.filter((row) => row.webhookId === webhook.id);
      held.set(webhook.id, {
        webhook,
        clientId: clientIds.get(webhook.application_id) ?? '',
        streams: new Map(streams.map((stream) => [stream.stream, stream])),
        // Streams of changes join as their groups are compared.
        ready: new Set(streams.filter((stream) => stream.pending || sourceOf(stream.stream).kind !== 'changes')),
        failures: held.get(webhook.id)?.failures ?? 0,
      });
    }
    fingerprint = ''; // each of them must be compared with every group
  }

  function told({ webhook, clientId }: Held, { stream }: Stream): Told {
    const source = sourceOf(stream);
    return { webhook, clientId, group: source.kind === 'changes' ? groups.get(source.groupId) : undefined };
  }

  async function poll(): Promise<void> {
    const ids = [...new Set([...held.values()].map(({ webhook }) => webhook.application_id))].sort((a, b) => a - b);
    if (ids.length === 0) return;
    if (applications !== ids.join()) {
      applications = ids.join();
      fingerprint = '';
    }
    await Promise.all([pollGroups(ids), pollEvents(ids)]);
  }

  async function pollGroups(ids: readonly number[]): Promise<void> {
    if (![...held.values()].some(({ webhook }) => wantsEvent(webhook, CHANGED))) return;
    const now = await fingerprintFeeds(db, ids);
    if (now === fingerprint) return;
    const rows = await listFeedGroups(db, ids);
    const isAll = fingerprint === '';
    const before = new Map([...groups].map(([id, group]) => [id, group.newest]));
    const moved = isAll ? rows : rows.filter((row) => before.get(row.id) !== row.newest);
    groups.clear();
    for (const row of rows) groups.set(row.id, row);
    for (const each of held.values()) {
      for (const stream of each.streams.values()) {
        const source = sourceOf(stream.stream);
        if (source.kind === 'changes' && !groups.has(source.groupId)) forget(each, stream);
      }
      for (const row of moved) {
        if (row.application_id === each.webhook.application_id) follow(each, row, before.get(row.id));
      }
    }
    fingerprint = now;
  }

  /** The feed of a group reaches further than before, or the webhook is new here. */
  function follow(each: Held, group: FeedGroup, before: number | undefined): void {
    if (!wantsEvent(each.webhook, CHANGED) || !followsGroup(each.webhook, group)) return;
    const key = groupStream(group.id);
    const known = each.streams.get(key);
    if (known) {
      if (known.pending || group.newest > known.position) each.ready.add(known);
      return;
    }
    // A new group is told from its beginning; one that only now got the custom id that was asked for, from here on.
    const isNew = group.created_at > each.webhook.followed_since - CREATION_SLACK;
    const position = isNew ? 0 : (before ?? group.newest);
    const stream: Stream = {
      webhookId: each.webhook.id,
      stream: key,
      position,
      pending: null,
      attempts: 0,
      nextAttemptAt: null,
    };
    each.streams.set(key, stream);
    board.fresh.push(stream);
    if (group.newest > position) each.ready.add(stream);
  }

  function forget(each: Held, stream: Stream): void {
    each.streams.delete(stream.stream);
    each.ready.delete(stream);
    board.gone.push(stream);
  }

  async function pollEvents(ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      for (const feed of ['profile', 'group'] as const) {
        const isWanted = [...held.values()].some(
          ({ webhook }) => webhook.application_id === id && wantsFeed(webhook, feed),
        );
        if (isWanted) await numberEvents(db, id, feed);
      }
    }
    for (const { application_id: id, feed, last_sequence: last } of await findLastSequences(db, ids)) {
      if (lastSequences.get(`${id} ${feed}`) === last) continue;
      lastSequences.set(`${id} ${feed}`, last);
      for (const each of held.values()) {
        if (each.webhook.application_id !== id || !wantsFeed(each.webhook, feed)) continue;
        for (const key of feed === 'profile' ? PROFILE_STREAMS : [GROUP_EVENTS_STREAM]) {
          const stream = each.streams.get(key);
          if (stream && (stream.pending || last > stream.position)) each.ready.add(stream);
        }
      }
    }
  }
}
