// What every client does, in every language: the cases of sdk/conformance, made with this package.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mismatches } from '../conformance/match.ts';
import { parseCases, readCases, startPlayer, type Case, type Player, type Step } from '../conformance/player.ts';
import {
  ApiError,
  createClient,
  NetworkError,
  type AttributeValues,
  type Client,
  type ClientOptions,
  type Drop,
  type GroupsChange,
  type OwnProfile,
  type ProfileGroupMembership,
  type TrackOptions,
} from './index.ts';
import { toPatch } from './attributes.ts';
import { deviceStorage } from './testing/device.ts';

let player: Player;
beforeAll(async () => {
  player = await startPlayer();
});
afterAll(() => player.close());

const fail = (problem: string): never => {
  throw new Error(problem);
};
const refusing = (): never => fail('nothing can be stored');

const post = async <T>(url: string, body: unknown): Promise<T> =>
  (await fetch(url, { method: 'POST', body: JSON.stringify(body) }).then((response) => response.json())) as T; // the player's own

function errorOf(error: unknown): unknown {
  if (error instanceof NetworkError) return { error: error.name.replace('Error', '') };
  if (!(error instanceof ApiError)) throw error; // of this file, or a fault
  const { status, code, fields, requestId, retryAfter } = error;
  return { error: error.name.replace('Error', ''), status, code, fields, requestId, retryAfter };
}

const own = ({ access_token: token, ...profile }: OwnProfile): unknown => ({ profile, token });
const ids = (groups: ProfileGroupMembership[]): string[] => groups.map(({ group_id: id }) => id);

function watch(client: Client, count: number): Promise<unknown> {
  return new Promise((resolve) => {
    const changes: unknown[] = [];
    const onChange = ({ groups, entered, left }: GroupsChange): void => {
      changes.push({ groups: ids(groups), entered: ids(entered), left: ids(left) });
      if (changes.length < count) return;
      stop();
      resolve({ changes });
    };
    const onError = (error: unknown): void => {
      if (error instanceof ApiError && error.status === 401) resolve(errorOf(error));
    };
    const stop = client.onProfileGroupsChange(onChange, { onError });
  });
}

/** What the calls of the cases take, each its own. */
interface Given extends TrackOptions {
  attributes?: AttributeValues;
  token: string;
  tokens?: 'revoke' | 'follow';
  type: string;
  group: string;
  count: number;
}

/** The client that a case is made with, as it is after each step. */
function device(played: Case, endpoint: string) {
  const working = deviceStorage();
  const storage = played.storage === 'fails' ? { getItem: refusing, setItem: refusing, removeItem: refusing } : working;
  const drops: unknown[] = [];
  const onDrop = ({ reason, activities }: Drop): void =>
    void drops.push({ reason, ids: activities.map(({ id }) => id) });
  let options = { ...played.client };
  const open = (): Client =>
    createClient({
      clientId: 'the-app',
      endpoint,
      storage,
      onDrop,
      flushInterval: 3_600_000,
      ...(options as Partial<ClientOptions>), // a case spells them as this package does
    });
  let client = open();

  const calls: Record<string, (given: Given) => unknown> = {
    init: async () => own(await client.init()),
    update: async ({ attributes, ...rest }) =>
      own(
        await client.updateUserProfile({
          options: { ...rest, ...(attributes && { attributes: toPatch(attributes) }) },
        }),
      ),
    identify: async ({ token, tokens }) => own(await client.identify(token, tokens && { tokens })),
    signOut: () => client.signOut(),
    flush: () => client.flush(),
    track: ({ type, ...rest }) => ({ id: client.track(type, rest) }),
    drops: () => ({ drops }),
    groups: async () => ({ groups: await client.getProfileGroups() }),
    isMember: async ({ group }) => ({ value: await client.isMember(group) }),
    watch: ({ count }) => watch(client, count),
    restart: (changed) => {
      client.close();
      options = { ...options, ...changed };
      client = open();
    },
  };
  return {
    make: ({ call, times = 1, with: given = {} }: Step): Promise<unknown[]> =>
      Promise.all(
        Array.from({ length: times }, async () => {
          try {
            const make = calls[call] ?? fail(`no call ${call}`);
            return (await make(given as unknown as Given)) ?? {}; // each call takes what its cases give
          } catch (error) {
            return errorOf(error);
          }
        }),
      ),
    close: () => client.close(),
  };
}

describe.concurrent('conformance', () => {
  it.each(readCases())('$name', async (played) => {
    const { endpoint } = await post<{ endpoint: string }>(`${player.url}/runs`, { case: played.name });
    const { make, close } = device(played, endpoint);
    const outcomes: unknown[][] = [];
    for (const step of played.steps) outcomes.push(await make(step));
    close();
    const { problems } = await post<{ problems: string[] }>(`${endpoint}/outcomes`, outcomes);
    expect(problems).toEqual([]);
  });
});

describe('the player of the cases', () => {
  it('refuses a case with a call that no language knows', () => {
    const written = JSON.stringify([{ name: 'a slip', steps: [{ call: 'inti' }], exchanges: [] }]);
    expect(() => parseCases('init', written)).toThrow("'init: a slip' calls 'inti', which is none.");
  });

  it('takes no two names with $ for the same, whatever ? was seen before', () => {
    const names = new Map<string, unknown>([
      ['?any', 'a'],
      ['$first', 'a'],
    ]);
    expect(mismatches('$first', 'a', names, 'key')).toEqual([]);
    expect(mismatches('$second', 'a', names, 'key')).toEqual(['key: "a", which is $first, expected $second']);
  });
});
