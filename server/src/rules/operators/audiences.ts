// The two leaves beside the catalogue: membership in other groups, and random buckets.

import { hash } from 'node:crypto';
import type { Instant } from '../../instant.ts';
import { andNot, buildBitset, type Bitset } from '../bitset.ts';
import { numberTest } from '../conditions.ts';
import { dependency } from '../depends.ts';
import { RuleError, missingGroup, type CompileContext } from '../leaf.ts';
import { sqlInstant, sqlInteger, sqlText, sqlUuid } from '../literals.ts';
import { createColumns, createStairs, type Film, type PastReader } from '../past.ts';
import { NO_NEEDS } from '../state.ts';
import type { RuleLeaf } from '../tree.ts';
import { changesAmong, holdsOver, type LeafParts } from './parts.ts';

export function groupsLeaf(leaf: RuleLeaf, { resolveGroup }: CompileContext): LeafParts {
  const references = (leaf.value ?? []) as readonly string[]; // parsing let nothing else through
  const groups = references.map((reference) => {
    const id = resolveGroup(reference);
    if (id === undefined) throw new RuleError(missingGroup(resolveGroup, reference));
    return { reference, id };
  });
  const ids = [...new Set(groups.map((group) => group.id))].sort();
  const negated = leaf.condition === 'not_in';
  return {
    scope: ids,
    test: (state) => ids.some((id) => state.groups.get(id)?.member === true) !== negated,
    flips(state, now) {
      const memberAt = (id: string, at: Instant): boolean => {
        const group = state.groups.get(id);
        if (!group) return false;
        const passed = group.flips.filter((flip) => flip > now && flip <= at).length;
        return passed % 2 === 0 ? group.member : !group.member;
      };
      const candidates = ids.flatMap((id) => state.groups.get(id)?.flips ?? []);
      return changesAmong(candidates, now, (at) => ids.some((id) => memberAt(id, at)));
    },
    /** Which of the groups, as the rule names them, the profile is in. */
    actual: (state) =>
      groups.filter(({ id }) => state.groups.get(id)?.member === true).map(({ reference }) => reference),
    async set(reader) {
      const epochs = await reader.epochs(ids);
      const found = buildBitset();
      for (const [id, epoch] of epochs) await reader.each(membersAt(id, epoch), found.addAll);
      return negated ? andNot(await reader.universe(), found.set) : found.set;
    },
    past: (reader) => groupsPast(reader, ids, negated),
    boundaries: [],
    needs: { ...NO_NEEDS, groups: new Set(ids) },
    depends: ids.map((id) => dependency.group(id)),
  };
}

function membersAt(id: string, epoch: number): string {
  const at = sqlInteger(epoch);
  return `select ordinal from members where group_id = ${sqlUuid(id)}
          and since_epoch <= ${at} and (until_epoch is null or until_epoch > ${at})`;
}

/** From who is a member now, the feeds of the groups are taken back. Nobody was a member before a group was there. */
async function groupsPast(reader: PastReader, ids: readonly string[], negated: boolean): Promise<Film> {
  const stairs = createStairs(reader, (groups) => groups > 0 !== negated);
  const { ends } = reader;
  const after = ends.map(() => ({ entered: createColumns(), left: createColumns() }));
  for (const [id, epoch] of await reader.epochs(ids)) {
    await reader.pause();
    await reader.each(membersAt(id, epoch), (ordinals) => stairs.addAll(ordinals, 1));
    for (const change of ['entered', 'left'] as const) {
      const select = `select c.ordinal, coalesce(c.at, e.switched_at) from changes c
        join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
        where c.group_id = ${sqlUuid(id)} and c.epoch <= ${sqlInteger(epoch)} and c.change = ${sqlText(change)}
          and coalesce(c.at, e.switched_at) > ${sqlInstant(ends[0] ?? 0)}`;
      await reader.instants(select, (ordinal, at) => {
        const day = ends.findLastIndex((end) => end < at);
        after[day]?.[change].add(ordinal, at);
      });
    }
  }
  const film: Bitset[] = [];
  for (const { entered, left } of after.reverse()) {
    stairs.addAll(entered.read().ordinals, -1);
    stairs.addAll(left.read().ordinals, 1);
    film.push(await stairs.take());
  }
  return film.reverse();
}

/** The first 8 bytes, big-endian, of SHA-256(salt, a byte 0, the profile's id as lower-case text), modulo 10,000. */
export function randomBucket(salt: string, profileId: string): number {
  const digest = hash('sha256', `${salt}\0${profileId}`, 'hex');
  const high = parseInt(digest.slice(0, 8), 16);
  const low = parseInt(digest.slice(8, 16), 16);
  // Modulo by halves, which stays among the safe integers: high * 2^32 + low.
  return ((high % BUCKETS) * (2 ** 32 % BUCKETS) + low) % BUCKETS;
}

const BUCKETS = 10_000;

export function bucketLeaf(leaf: RuleLeaf, { groupId }: CompileContext): LeafParts {
  const salt = leaf.salt ?? groupId;
  const test = numberTest(leaf);
  return {
    scope: salt,
    test: (state) => holdsOver(test, [randomBucket(salt, state.id)]),
    flips: () => [],
    actual: (state) => randomBucket(salt, state.id),
    async set(reader) {
      const found = buildBitset();
      await reader.profiles((ordinal, id) => {
        if (holdsOver(test, [randomBucket(salt, id)])) found.add(ordinal);
      });
      return found.set;
    },
    boundaries: [],
    needs: NO_NEEDS,
    depends: [],
  };
}
