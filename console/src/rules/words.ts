// The catalogue and the names of groups, for everything that shows rules.

import { useMemo } from 'react';
import { useQueries } from '@tanstack/react-query';
import { useCatalogue } from '../queries.ts';
import { useApplication, useSession } from '../session.tsx';
import { isNode, type Attribute, type Group, type RuleTree } from '../types.ts';
import type { Words } from './phrases.ts';

export function useAttributes(): { attributes: Attribute[] | undefined; error: unknown } {
  const { data, error } = useCatalogue();
  const attributes = useMemo(() => data && [...data.results, ...data.leaves], [data]);
  return { attributes, error };
}

/** Types of values in the words of people who do not program. */
export const TYPE_WORDS: Record<string, string> = {
  string: 'text',
  number: 'number',
  boolean: 'yes or no',
  datetime: 'date and time',
  list: 'list of texts',
};

function referencesOf(tree: RuleTree): string[] {
  if (isNode(tree)) return tree.children.flatMap(referencesOf);
  return tree.attribute === 'profile_group' && Array.isArray(tree.value) ? tree.value.map(String) : [];
}

/** What groups are called, by id or `custom:…`; until it is known, as they are referred to. */
export function useGroupNames(references: readonly string[]): (reference: string) => string {
  const { client } = useSession();
  const { path } = useApplication();
  const names = useQueries({
    queries: references.map((reference) => ({
      queryKey: [path(`profile-groups/${encodeURIComponent(reference)}/`), {}],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        client.request<Group>(path(`profile-groups/${encodeURIComponent(reference)}/`), { signal }),
      staleTime: 60_000,
    })),
    combine: (results) => results.map((result) => result.data?.name),
  });
  return (reference) => names[references.indexOf(reference)] ?? reference;
}

const MAX_NAMED = 50;

/** The words for these trees: what is not loaded yet is called by its key. */
export function useWords(...trees: (RuleTree | undefined)[]): Words {
  const { attributes } = useAttributes();
  const references = [...new Set(trees.flatMap((tree) => (tree ? referencesOf(tree) : [])))].slice(0, MAX_NAMED);
  const group = useGroupNames(references);
  const index = useMemo(() => new Map(attributes?.map((one) => [one.key, one])), [attributes]);
  return { attribute: (key) => index.get(key), group };
}
