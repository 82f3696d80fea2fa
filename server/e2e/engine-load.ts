// Load on dynamic groups whose every effect is known: activities that are sent again until they are acknowledged, rules
// that are edited, pins that end, windows that run out; and readers who expect one truth whatever dies meanwhile.

import { expect } from 'vitest';
import { BOOTSTRAP } from './server-process.ts';

const APPLICATION = `/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/`;
const GROUPS = `${APPLICATION}profile-groups/`;
const headers = { authorization: `Bearer ${BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN}`, 'content-type': 'application/json' };

export const WINDOW_SECONDS = 2;
const PROFILES = 40;
const BATCH = 8;
const WRITERS = 4;

export interface Change {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: string;
  cause: string;
}

interface Leaf {
  attribute: 'total_comments_posted' | 'total_poll_votes' | 'total_activities';
  condition: 'greater_than_or_equal' | 'less_than';
  value: number;
}

export interface World {
  /** The server's address, once whatever was killed is back. */
  address: Promise<string>;
  random: (limit: number) => number;
  profiles: string[];
  /** `window`: comments that run out; `edited`: by changing rules; `nested`: who is in neither; `pinned`: pins over a rule. */
  groups: Record<'window' | 'edited' | 'nested' | 'pinned', string>;
  /** By profile, the type of each activity that was acknowledged, by its id. */
  acknowledged: Map<string, Map<string, string>>;
  /** Batches without an answer. They may have been taken or not. */
  open: Item[][];
  /** What a poller was given, by group. */
  seen: Map<string, Change[]>;
  count: number;
}

interface Item {
  id: string;
  type: string;
  profile_id: string;
  occurred_at?: string;
}

interface Answer<T> {
  status: number;
  body: T;
}

/** Undefined: there was no answer. */
export async function ask<T = Record<string, unknown>>(
  world: Pick<World, 'address'>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer<T> | undefined> {
  const address = await world.address;
  try {
    const response = await fetch(address + path, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as T }; // the caller says what it expects
  } catch {
    return undefined;
  }
}

async function get<T>(world: World, path: string): Promise<T> {
  const answer = await ask<T>(world, 'GET', path);
  if (answer?.status !== 200) throw new Error(`GET ${path}: ${answer?.status}`);
  return answer.body;
}

async function make(world: Pick<World, 'address'>, path: string, body: unknown): Promise<string> {
  const answer = await ask<{ id: string }>(world, 'POST', path, body);
  if (answer?.status !== 201) throw new Error(`POST ${path}: ${JSON.stringify(answer)}`);
  return answer.body.id;
}

export async function createWorld(address: Promise<string>, random: (limit: number) => number): Promise<World> {
  const profiles: string[] = [];
  for (let n = 0; n < PROFILES; n++) profiles.push(await make({ address }, `${APPLICATION}profile/`, {}));
  const group = (name: string, rule_tree: unknown): Promise<string> =>
    make({ address }, GROUPS, { name, membership_type: 'dynamic', rule_tree });
  const window = await group('Window', {
    attribute: 'total_comments_posted',
    condition: 'greater_than_or_equal',
    value: 2,
    window: `PT${WINDOW_SECONDS}S`,
  });
  const edited = await group('Edited', editedRule(random));
  const nested = await group('Nested', { attribute: 'profile_group', condition: 'not_in', value: [window, edited] });
  const pinned = await group('Pinned', pinnedRule);
  return {
    address,
    random,
    profiles,
    groups: { window, edited, nested, pinned },
    acknowledged: new Map(profiles.map((id) => [id, new Map()])),
    open: [],
    seen: new Map(),
    count: 0,
  };
}

const pinnedRule: Leaf = { attribute: 'total_poll_votes', condition: 'greater_than_or_equal', value: 5 };

const editedRule = (random: (limit: number) => number): Leaf => ({
  attribute: random(2) === 0 ? 'total_comments_posted' : 'total_activities',
  condition: random(2) === 0 ? 'greater_than_or_equal' : 'less_than',
  value: 1 + random(30),
});

/** All who do something at once, until it is over. */
export function startLoad(world: World): { end(): Promise<void>; failure: Promise<never> } {
  let isOver = false;
  const loop = async (turn: () => Promise<void>): Promise<void> => {
    while (!isOver) await turn();
  };
  const work = async (): Promise<void> => {
    await report(world, () => isOver);
    if (world.random(3) === 0) await edit(world);
    if (world.random(2) === 0) await pin(world);
  };
  const doing = [
    ...Array.from({ length: WRITERS }, () => loop(work)),
    loop(() => readMembers(world)),
    loop(() => follow(world)),
  ];
  const failure = new Promise<never>((_, reject) => void Promise.all(doing).catch(reject));
  failure.catch(() => {}); // every wait looks at it
  return {
    failure,
    async end() {
      isOver = true;
      await Promise.all(doing);
    },
  };
}

function nextBatch({ random, profiles, acknowledged }: World): Item[] {
  return Array.from({ length: BATCH }, () => {
    const profile = profiles[random(profiles.length)] ?? '';
    const known = [...(acknowledged.get(profile)?.keys() ?? [])];
    // Now and then one that was acknowledged long ago.
    const repeated = random(8) === 0 ? known[random(known.length)] : undefined;
    return {
      id: repeated ?? crypto.randomUUID(),
      type:
        (repeated && acknowledged.get(profile)?.get(repeated)) ??
        ['comment-created', 'comment-created', 'poll-voted'][random(3)] ??
        '',
      profile_id: profile,
      ...(random(4) === 0 && { occurred_at: new Date(Date.now() - random(3000)).toISOString() }),
    };
  });
}

/** Sends a batch until it is acknowledged; what is left over when time is up is kept. */
async function report(world: World, isOver: () => boolean): Promise<void> {
  const batch = nextBatch(world);
  while (!(await send(world, batch))) {
    if (!isOver()) continue;
    world.open.push(batch);
    return;
  }
}

async function send(world: World, batch: Item[]): Promise<boolean> {
  const answer = await ask<{ accepted: number; duplicates: number; rejected: unknown[] }>(
    world,
    'POST',
    `${APPLICATION}activities/`,
    { activities: batch },
  );
  if (answer?.status !== 200) return false;
  expect(answer.body.rejected).toEqual([]);
  expect(answer.body.accepted + answer.body.duplicates).toBe(batch.length);
  for (const item of batch) world.acknowledged.get(item.profile_id)?.set(item.id, item.type);
  world.count++;
  return true;
}

/** Until the last batch is acknowledged. */
export async function sendAgain(world: World): Promise<void> {
  for (const batch of world.open.splice(0)) while (!(await send(world, batch)));
}

async function edit(world: World): Promise<void> {
  await ask(world, 'PATCH', `${GROUPS}${world.groups.edited}/`, { rule_tree: editedRule(world.random) });
}

async function pin(world: World): Promise<void> {
  const { random, profiles, groups } = world;
  const path = `${GROUPS}${groups.pinned}/pins/${profiles[random(profiles.length)]}/`;
  if (random(5) === 0) await ask(world, 'DELETE', path);
  else
    await ask(world, 'PUT', path, {
      pin: random(2) === 0 ? 'in' : 'out',
      reason: 'load',
      expires_at: new Date(Date.now() + 200 + random(1500)).toISOString(),
    });
}

const anyGroup = (world: World): string => {
  const ids = Object.values(world.groups);
  return ids[world.random(ids.length)] ?? '';
};

/** Count and list of one answer agree at every moment. */
async function readMembers(world: World): Promise<void> {
  const answer = await ask<{ count: number; results: { id: string }[] }>(
    world,
    'GET',
    `${GROUPS}${anyGroup(world)}/members/?page_size=1000`,
  );
  if (answer?.status === 200) expect(new Set(answer.body.results.map((row) => row.id)).size).toBe(answer.body.count);
}

/** A poller of the feeds: it is never given a sequence twice, or one after a gap. */
async function follow(world: World): Promise<void> {
  const id = anyGroup(world);
  const seen = world.seen.get(id) ?? [];
  world.seen.set(id, seen);
  const answer = await ask<{ results: Change[] }>(
    world,
    'GET',
    `${GROUPS}${id}/changes/?after=${seen.length}&page_size=1000`,
  );
  if (answer?.status !== 200) return;
  for (const change of answer.body.results) {
    expect(change.sequence).toBe(seen.length + 1);
    seen.push(change);
  }
}

interface Shown {
  profile_count: number;
  ruleset: { rule_tree: { children: [{ children: [Leaf] }] } };
  evaluation: { state: string; last_error: string | null };
}

const showGroup = (world: World, id: string): Promise<Shown> => get(world, `${GROUPS}${id}/`);

/** What keeps the groups from being at rest; empty once every window ran out, every pin ended and every backfill is done. */
export async function unrest(world: World): Promise<string[]> {
  const reasons: string[] = [];
  for (const [name, id] of Object.entries(world.groups)) {
    const { evaluation } = await showGroup(world, id);
    if (evaluation.state !== 'live') reasons.push(`${name} is ${evaluation.state}, ${evaluation.last_error}`);
  }
  const window = await showGroup(world, world.groups.window);
  if (window.profile_count > 0) reasons.push(`${window.profile_count} windows have not run out`);
  return reasons;
}

/** Everything that readers see at rest, against what was acknowledged. */
export async function checkTruth(world: World): Promise<void> {
  const total = (profile: string, attribute: Leaf['attribute']): number => {
    const types = [...(world.acknowledged.get(profile)?.values() ?? [])];
    if (attribute === 'total_activities') return types.length;
    const type = attribute === 'total_poll_votes' ? 'poll-voted' : 'comment-created';
    return types.filter((one) => one === type).length;
  };
  const meeting = (leaf: Leaf): string[] =>
    world.profiles.filter((profile) => {
      const value = total(profile, leaf.attribute);
      return leaf.condition === 'less_than' ? value < leaf.value : value >= leaf.value;
    });
  const rule = (await showGroup(world, world.groups.edited)).ruleset.rule_tree.children[0].children[0];
  const edited = meeting(rule);
  const expected: Record<keyof World['groups'], string[]> = {
    window: [],
    edited,
    nested: world.profiles.filter((profile) => !edited.includes(profile)),
    pinned: meeting(pinnedRule),
  };
  for (const [name, id] of Object.entries(world.groups) as [keyof World['groups'], string][]) {
    const members = await get<{ count: number; results: { id: string }[] }>(
      world,
      `${GROUPS}${id}/members/?page_size=1000`,
    );
    const ids = members.results.map((row) => row.id).sort();
    const feed = await readFeed(world, id);
    const wrong = [...ids, ...expected[name]].filter((one) => !ids.includes(one) || !expected[name].includes(one));
    const story = feed.filter((change) => wrong.includes(change.profile_id));
    expect(ids, `members of ${name}: ${JSON.stringify(story)}`).toEqual(expected[name].toSorted());
    expect(members.count, `count of ${name}`).toBe(members.results.length);
    expect((await showGroup(world, id)).profile_count, `profile_count of ${name}`).toBe(members.count);
    expectFeed(feed, expected[name], world.seen.get(id) ?? [], name);
    const proof = await ask(world, 'POST', `${GROUPS}${id}/verify/`);
    expect(proof, `verify ${name}`).toEqual({ status: 200, body: { checked: PROFILES, missing: 0, extra: 0 } });
  }
}

async function readFeed(world: World, id: string): Promise<Change[]> {
  const feed: Change[] = [];
  for (let path: string | null = `${GROUPS}${id}/changes/?page_size=1000`; path !== null;) {
    const page: { next: string | null; results: Change[] } = await get(world, path);
    feed.push(...page.results);
    const next = page.next === null ? null : new URL(page.next);
    path = next && next.pathname + next.search;
  }
  return feed;
}

/** It replays to the members, alternates and never goes back; nothing that a poller was given is gone or another. */
function expectFeed(feed: Change[], members: string[], seen: Change[], name: string): void {
  const present = new Set<string>();
  const last = new Map<string, string>();
  for (const [index, change] of feed.entries()) {
    const problems = [
      change.sequence !== index + 1 && 'a gap',
      present.has(change.profile_id) === (change.change === 'entered') && 'does not alternate',
      change.at < (last.get(change.profile_id) ?? '') && 'goes backwards',
    ].filter(Boolean);
    expect(problems, `feed of ${name} at ${JSON.stringify(change)}`).toEqual([]);
    last.set(change.profile_id, change.at);
    if (change.change === 'entered') present.add(change.profile_id);
    else present.delete(change.profile_id);
  }
  expect([...present].sort(), `replay of ${name}`).toEqual(members.toSorted());
  expect(feed.slice(0, seen.length), `what a poller of ${name} was given`).toEqual(seen);
}
