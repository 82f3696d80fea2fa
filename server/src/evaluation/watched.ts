// Which keys a rule must be told of: those that its leaves read, and the making of a profile where a profile that never
// did anything may be a member. "Did not do X" holds for every new profile.

import { dependency } from '../rules/depends.ts';
import { isMember, type CompiledRule } from '../rules/evaluate.ts';
import type { ProfileState } from '../rules/state.ts';

const BIRTH = dependency.profile('created_at');

/** No profile has done less. What it says of fields that every profile has does not matter: rules on those watch them. */
const newcomer = (): ProfileState => ({
  id: '00000000-0000-0000-0000-000000000000',
  ordinal: 0,
  createdAt: 0,
  nickname: '',
  customId: null,
  totals: new Map(),
  recent: new Map(),
  attributes: new Map(),
  groups: new Map(),
});

export function watchedBy(rule: CompiledRule): Set<string> {
  const keys = new Set(rule.depends);
  if (!keys.has(BIRTH) && mayHoldAtBirth(rule)) keys.add(BIRTH);
  return keys;
}

function mayHoldAtBirth(rule: CompiledRule): boolean {
  // A bucket differs from profile to profile and is known from the first instant on.
  if (rule.leaves.some(({ leaf }) => leaf.attribute === 'random_bucket')) return true;
  try {
    return isMember(rule, newcomer(), 0);
  } catch {
    return true; // what fails is met when a real profile comes
  }
}
