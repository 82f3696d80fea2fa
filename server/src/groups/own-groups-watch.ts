// Tells connected profiles when their own groups change. One look a process and interval serves all of them: it compares
// the heads of their applications' groups with those of the look before, and reads of what moved either the numbered
// changes (few) or the connected profiles' rows (many, or a switch). Each look is one snapshot, so a profile that connects
// between two changes misses none and sees none twice.

import type { Context } from '../context.ts';
import type { Credential } from '../credential.ts';
import type { Queryable } from '../database/database.ts';
import { formatInstant } from '../instant.ts';
import {
  listChangesBetween,
  listExisting,
  listMemberships,
  listVisibleGroups,
  readSignatures,
  type VisibleGroup,
} from './own-groups-store.ts';

/** As in the list of a profile's groups. */
export interface OwnGroup {
  group_id: string;
  group_name: string;
  profile_count: number;
  is_active: boolean;
  created_at: string;
  custom_id: string | null;
}

export interface Listener {
  /** Who listens: asked for before anything is told, and the listener ended once it is no good any more. */
  credential: Credential;
  tell(groups: OwnGroup[]): void;
  end(): void;
}

export interface OwnGroupsWatch {
  /** Tells the present groups soon, then the groups after each change. Returns a function that ends it. */
  add(applicationId: number, profileId: string, listener: Listener): () => void;
  /** One look, now; what it found has been told when it resolves. */
  look(): Promise<void>;
  /** Ends every listener whose credential is no good any more, or its profile erased, also where there is nothing to tell. */
  endInvalid(): Promise<void>;
  /** Profiles with at least one listener. */
  readonly size: number;
  close(): void;
}

const INTERVAL_MS = 500;
/** Beyond this many changes of a group between two looks, the connected profiles' own rows are the shorter way. */
const MAX_CHANGES = 5_000;

interface Connected {
  applicationId: number;
  groups: Set<string>;
  listeners: Set<Listener>;
  /** Not yet read, or joined by a listener that was told nothing. */
  isFresh: boolean;
}

export function watchOwnGroups({ db, log, stillValid }: Pick<Context, 'db' | 'log' | 'stillValid'>): OwnGroupsWatch {
  const profiles = new Map<string, Connected>();
  let signatures = new Map<number, string>();
  let known = new Map<string, VisibleGroup>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isClosed = false;

  const schedule = (ms: number): void => {
    clearTimeout(timer);
    timer = undefined;
    if (isClosed || profiles.size === 0) return;
    timer = setTimeout(() => {
      look().catch((error: unknown) => log.warn({ err: error }, 'own groups could not be read'));
    }, ms);
    timer.unref();
  };

  const look = async (): Promise<void> => {
    while (running) await running.catch(() => {});
    running = lookOnce().finally(() => {
      running = undefined;
      schedule([...profiles.values()].some(({ isFresh }) => isFresh) ? 20 : INTERVAL_MS);
    });
    return running;
  };

  const lookOnce = async (): Promise<void> => {
    const seen = [...profiles];
    if (seen.length === 0) return;
    const applicationIds = [...new Set(seen.map(([, { applicationId }]) => applicationId))];
    const fresh = seen.filter(([, { isFresh }]) => isFresh);
    const changed = await db.transaction(
      async (tx) => {
        const now = await readSignatures(tx, applicationIds);
        const moved = applicationIds.filter((id) => now.get(id) !== signatures.get(id));
        if (moved.length === 0 && fresh.length === 0) return new Set<Connected>();
        return compare(tx, applicationIds, seen, fresh, now);
      },
      { isolation: 'repeatable read' },
    );
    for (const connected of changed) untold.add(connected);
    // After the snapshot: a credential that is good now was good when what it is told became true.
    await endInvalid([...profiles].filter(([, connected]) => untold.has(connected)));
    for (const connected of untold) tell(connected);
    untold.clear();
  };

  /** Whose groups are others than they were told. Kept, since asking for the credentials may fail. */
  const untold = new Set<Connected>();

  /** Ended listeners leave by themselves, as soon as their streams are closed; until then they are told nothing. */
  const ended = new WeakSet<Listener>();
  const endInvalid = async (connected: [string, Connected][]): Promise<void> => {
    const all = connected.flatMap(([profileId, { listeners }]) =>
      [...listeners].map((listener) => ({ profileId, listener })),
    );
    if (all.length === 0) return;
    const existing = await listExisting(
      db,
      connected.map(([profileId]) => profileId),
    );
    const valid = await stillValid(all.map(({ listener }) => listener.credential));
    for (const { profileId, listener } of all) {
      if ((existing.has(profileId) && valid.has(listener.credential)) || ended.has(listener)) continue;
      ended.add(listener);
      listener.end();
    }
  };

  /** Brings what is known to this snapshot; returns the profiles whose groups are others now. */
  const compare = async (
    tx: Queryable,
    applicationIds: number[],
    seen: [string, Connected][],
    fresh: [string, Connected][],
    now: Map<number, string>,
  ): Promise<Set<Connected>> => {
    const groups = await listVisibleGroups(tx, applicationIds);
    const { spans, whole } = sort(groups);
    const old = seen.filter(([, { isFresh }]) => !isFresh);
    const few = await listChangesBetween(tx, spans);
    const many = await listMemberships(
      tx,
      old.map(([id]) => id),
      whole,
    );
    const first = await listMemberships(
      tx,
      fresh.map(([id]) => id),
      groups,
    );
    // From here on nothing can fail: a look that failed half way is repeated from where the last one ended.
    const changed = new Set<Connected>();
    for (const { group_id: groupId, profile_id: profileId, change } of few) {
      const connected = profiles.get(profileId);
      if (!connected || connected.isFresh) continue;
      if (change === 'entered') connected.groups.add(groupId);
      else connected.groups.delete(groupId);
      changed.add(connected);
    }
    replaceWhole(old, whole, many, changed);
    const visible = new Set(groups.map((group) => group.group_id));
    for (const [, connected] of old) {
      for (const id of connected.groups) if (!visible.has(id) && connected.groups.delete(id)) changed.add(connected);
    }
    for (const [, connected] of fresh) {
      connected.groups.clear();
      connected.isFresh = false;
      changed.add(connected);
    }
    for (const { profile_id: profileId, group_id: groupId } of first) profiles.get(profileId)?.groups.add(groupId);
    known = new Map(groups.map((group) => [group.group_id, group]));
    signatures = now;
    return changed;
  };

  /** Of the groups that moved since the last look: those to read by their changes, and those to read by their members. */
  const sort = (
    groups: VisibleGroup[],
  ): { spans: { group_id: string; epoch: number; after: number; until: number }[]; whole: VisibleGroup[] } => {
    const spans = [];
    const whole = [];
    for (const group of groups) {
      const before = known.get(group.group_id);
      const isSame = before?.epoch === group.epoch && before.updated_at === group.updated_at;
      if (!before || !isSame || group.last_number - before.last_number > MAX_CHANGES) whole.push(group);
      else if (group.last_number > before.last_number) {
        spans.push({
          group_id: group.group_id,
          epoch: group.epoch,
          after: before.last_number,
          until: group.last_number,
        });
      }
    }
    return { spans, whole };
  };

  const replaceWhole = (
    old: [string, Connected][],
    whole: VisibleGroup[],
    rows: { profile_id: string; group_id: string }[],
    changed: Set<Connected>,
  ): void => {
    const isIn = new Set(rows.map((row) => `${row.profile_id} ${row.group_id}`));
    for (const group of whole) {
      const before = known.get(group.group_id);
      const isRenamed = before !== undefined && before.updated_at !== group.updated_at;
      for (const [profileId, connected] of old) {
        if (connected.applicationId !== group.application_id) continue;
        const was = connected.groups.has(group.group_id);
        const is = isIn.has(`${profileId} ${group.group_id}`);
        if (is) connected.groups.add(group.group_id);
        else connected.groups.delete(group.group_id);
        if (was !== is || (is && isRenamed)) changed.add(connected);
      }
    }
  };

  const tell = (connected: Connected): void => {
    const groups = [...connected.groups].flatMap((id) => {
      const group = known.get(id);
      return group ? [group] : [];
    });
    groups.sort((a, b) => b.created_at - a.created_at || (a.group_id < b.group_id ? 1 : -1));
    const presented = groups.map(present);
    for (const listener of connected.listeners) if (!ended.has(listener)) listener.tell(presented);
  };

  return {
    add(applicationId, profileId, listener) {
      let connected = profiles.get(profileId);
      if (!connected)
        profiles.set(
          profileId,
          (connected = { applicationId, groups: new Set(), listeners: new Set(), isFresh: true }),
        );
      connected.isFresh = true;
      connected.listeners.add(listener);
      if (!running) schedule(0);
      return () => {
        connected.listeners.delete(listener);
        if (connected.listeners.size === 0 && profiles.get(profileId) === connected) profiles.delete(profileId);
      };
    },
    look,
    endInvalid: () => endInvalid([...profiles]),
    get size() {
      return profiles.size;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      profiles.clear();
    },
  };
}

const present = (group: VisibleGroup): OwnGroup => ({
  group_id: group.group_id,
  group_name: group.name,
  profile_count: group.profile_count,
  is_active: true,
  created_at: formatInstant(group.created_at),
  custom_id: group.custom_id,
});
