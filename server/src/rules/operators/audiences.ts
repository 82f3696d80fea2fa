// The two leaves beside the catalogue: membership in other groups, and random buckets.

import { hash } from 'node:crypto';
import type { Instant } from '../../instant.ts';
import { andNot, buildBitset } from '../bitset.ts';
import { numberTest } from '../conditions.ts';
import { dependency } from '../depends.ts';
import { RuleError, missingGroup, type CompileContext } from '../leaf.ts';
import { sqlInteger, sqlUuid } from '../literals.ts';
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
      for (const [id, epoch] of epochs) {
        const at = sqlInteger(epoch);
        const select = `select ordinal from members where group_id = ${sqlUuid(id)}
          and since_epoch <= ${at} and (until_epoch is null or until_epoch > ${at})`;
        await reader.each(select, found.addAll);
      }
      return negated ? andNot(await reader.universe(), found.set) : found.set;
    },
    boundaries: [],
    needs: { ...NO_NEEDS, groups: new Set(ids) },
    depends: ids.map((id) => dependency.group(id)),
  };
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
