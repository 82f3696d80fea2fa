// Why a rule finds nobody: which of its parts takes the last ones away.

import { useQueries } from '@tanstack/react-query';
import { plural } from '../format.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Preview, RuleNode } from '../types.ts';
import { toTree, type DraftNode } from './model.ts';
import { partPhrase, type Words } from './phrases.ts';

/** Of more parts than that the last ones are looked at as one. */
const MOST = 8;

export function WhyNobody({ draft, words }: { draft: DraftNode; words: Words }) {
  const { client } = useSession();
  const path = useApplication().path('profile-groups/preview/');
  const { children } = toTree(draft);
  const starts = children
    .slice(0, MOST)
    .map((_, index): RuleNode => ({ operator: 'AND', children: children.slice(0, index + 1) }));
  const counts = useQueries({
    queries: starts.map((start) => ({
      queryKey: [path, JSON.stringify(start), undefined],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        client.request<Preview>(path, {
          method: 'POST',
          body: { rule_tree: start },
          signal,
          reads: true,
          timeout: 60_000,
        }),
      staleTime: 10_000,
    })),
    combine: (results) => results.map((result) => result.data?.count),
  });
  const last = counts.indexOf(0);
  if (last < 0 || counts.slice(0, last).includes(undefined)) return null;
  const part = children[last];
  if (!part) return null;
  const before = counts[last - 1];
  return (
    <p className="pad small" role="status">
      {before === undefined ? (
        <>Nobody meets this, by itself: {partPhrase(part, words)}.</>
      ) : (
        <>
          {plural(before, 'profile meets', 'profiles meet')} what stands before, and none of them this:{' '}
          {partPhrase(part, words)}.
        </>
      )}
    </p>
  );
}
