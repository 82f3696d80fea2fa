// Who a rule finds, exactly and now, while it is being written.

import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { ApiError, fieldsOf, messageOf, type FieldErrors } from '../api.ts';
import { formatNumber, formatPercent, plural } from '../format.ts';
import { useGet, useSettled } from '../queries.ts';
import { useApplication, useSession } from '../session.tsx';
import type { Page, Preview, Profile } from '../types.ts';
import { Skeleton, Time } from '../ui/bits.tsx';
import { isComplete, toTree, type DraftNode } from './model.ts';
import { PastSizes } from './past-sizes.tsx';
import { sentence, type Words } from './phrases.ts';
import { WhyNobody } from './why-nobody.tsx';

interface PreviewState {
  preview: Preview | undefined;
  /** The answer belongs to what was written before. */
  isStale: boolean;
  isComplete: boolean;
  /** As JSON: what the numbers are of, or are about to be. */
  tree: string;
  errors: FieldErrors;
  problem: string | undefined;
}

/** Asked once one pauses, given up as soon as one goes on. */
export function usePreview(draft: DraftNode, groupId: string | undefined): PreviewState {
  const { client } = useSession();
  const { path } = useApplication();
  const complete = isComplete(draft);
  const tree = useMemo(() => JSON.stringify(toTree(draft)), [draft]);
  const settled = useSettled(tree, 350);
  const query = useQuery<Preview>({
    queryKey: [path('profile-groups/preview/'), settled, groupId],
    queryFn: ({ signal }) =>
      client.request<Preview>(path('profile-groups/preview/'), {
        method: 'POST',
        body: { rule_tree: JSON.parse(settled) as unknown, ...(groupId !== undefined && { group_id: groupId }) },
        signal,
        reads: true,
        timeout: 60_000,
      }),
    enabled: complete && settled === tree,
    placeholderData: (before) => before,
    staleTime: 10_000,
  });
  const isCurrent = settled === tree && complete;
  const { error } = query;
  return {
    preview: query.data,
    isStale: !isCurrent || query.isFetching || query.isPlaceholderData,
    isComplete: complete,
    tree: settled,
    errors: isCurrent ? fieldsOf(error) : {},
    problem: isCurrent && error && !(error instanceof ApiError && error.status === 400) ? messageOf(error) : undefined,
  };
}

export function PreviewPanel({
  draft,
  words,
  state,
  hasGroup,
}: {
  draft: DraftNode;
  words: Words;
  state: PreviewState;
  hasGroup: boolean;
}) {
  const application = useApplication();
  const all = useGet<Page<Profile>>(application.path('profiles/'), { page_size: 1 }, { staleMs: 60_000 });
  const { preview, isStale, problem } = state;
  const total = all.data?.count ?? null;
  const hasErrors = Object.keys(state.errors).length > 0;
  return (
    <aside className="card preview" aria-label="Preview">
      <div className="pad">
        <h2>Matches</h2>
        <p className="muted sentence name">{sentence(toTree(draft), words)}</p>
      </div>
      {!state.isComplete ? (
        <p className="pad muted">Finish the rule to see who matches.</p>
      ) : problem ? (
        <p className="pad error-text" role="alert">
          {problem}
        </p>
      ) : hasErrors ? (
        <p className="pad error-text">There is something to correct in the rule first.</p>
      ) : (
        <div className={isStale ? 'stale' : ''} aria-busy={isStale}>
          <div className="pad" aria-live="polite">
            <div className="figure">{preview ? formatNumber(preview.count) : <Skeleton width={110} height={26} />}</div>
            <div className="muted">
              {preview ? (
                <>
                  {preview.count === 1 ? 'profile' : 'profiles'}
                  {total !== null && total > 0 && <>, {formatPercent(preview.count / total)} of all</>}
                </>
              ) : (
                <Skeleton width={140} />
              )}
            </div>
            {hasGroup && preview?.entering !== undefined && preview.leaving !== undefined && (
              <p className="row wrap moves">
                <span className={preview.entering > 0 ? 'badge good' : 'badge'}>
                  {plural(preview.entering, 'enters', 'enter')}
                </span>
                <span className={preview.leaving > 0 ? 'badge warn' : 'badge'}>
                  {plural(preview.leaving, 'leaves', 'leave')}
                </span>
              </p>
            )}
          </div>
          <PastSizes tree={state.tree} asOf={isStale ? undefined : preview?.as_of} />
          {preview?.count === 0 && !isStale && draft.operator === 'AND' && draft.children.length > 1 && (
            <WhyNobody draft={draft} words={words} />
          )}
          {preview && preview.sample.length > 0 && (
            <div className="pad sample">
              <h3>Some of them</h3>
              <ul>
                {preview.sample.map((profile) => (
                  <li key={profile.id} className="truncate">
                    <Link href={application.href(`profiles/${profile.id}`)} className="name">
                      <bdi>{profile.nickname}</bdi>
                    </Link>
                    {profile.custom_id !== null && <span className="faint"> {profile.custom_id}</span>}
                  </li>
                ))}
              </ul>
            </div>
          )}
          {preview && (
            <p className="pad faint small">
              Exact as of <Time at={preview.as_of} ago />.
            </p>
          )}
        </div>
      )}
    </aside>
  );
}
