// Two profiles of one fan made one: both side by side, what would come of it, and the merge, confirmed by name.

import { useState } from 'react';
import { IconArrowsExchange, IconGitMerge } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { MergedProfile } from '@grandstand/sdk/server';
import { useLocation, useParams } from 'wouter';
import { ApiError, messageOf } from '../../api.ts';
import { plural } from '../../format.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { useProfileSearch } from '../../search.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Profile } from '../../types.ts';
import { Empty, Failed, Problem, Skeleton } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Combobox } from '../../ui/combobox.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { CheckField, Choices } from '../../ui/field.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { toast } from '../../ui/toast.tsx';
import { useViewParams } from '../../view-params.ts';
import { Comparison } from './comparison.tsx';
import { GroupsCompared } from './groups-compared.tsx';

type TokenFate = 'revoke' | 'follow';

/** A dry run does all of it and undoes it: long histories take their time. */
const LONGEST_MS = 120_000;

export default function MergePage() {
  const { profile_id: id = '' } = useParams();
  const { href } = useApplication();
  const [params, set] = useViewParams();
  const into = params.get('into') ?? '';
  const [, navigate] = useLocation();
  const source = useProfile(id);
  const target = useProfile(into === '' ? undefined : into);
  const back = { href: href(`profiles/${encodeURIComponent(id)}`), label: source.data?.nickname ?? 'Profile' };
  const swap = (): void => navigate(href(`profiles/${into}/merge?into=${id}`));
  return (
    <>
      <PageHead
        title="Merge two profiles"
        back={back}
        actions={
          target.data && (
            <Button icon={<IconArrowsExchange size={16} aria-hidden />} onClick={swap}>
              Swap them
            </Button>
          )
        }
      >
        Two profiles of one fan become one, as if it had always been one. This cannot be undone.
      </PageHead>
      {!source.data ? (
        <section className="card">
          {source.isError ? <NotFound error={source.error} /> : <div className="pad">{<Skeleton width="40%" />}</div>}
        </section>
      ) : (
        <div className="stack" style={{ '--gap': '20px' } as React.CSSProperties}>
          <section className="card pad stack" aria-labelledby="which-heading">
            <h2 id="which-heading">Into which one?</h2>
            <p className="muted">
              “<bdi className="name">{source.data.nickname}</bdi>” becomes part of the profile that you choose here.
              That one stays, with its own values.
            </p>
            <Chooser
              source={source.data}
              target={target.data}
              onChoose={(chosen) => set({ into: chosen })}
              problem={target.isError ? messageOf(target.error) : undefined}
            />
          </section>
          {target.data &&
            (target.data.id === source.data.id ? (
              <Problem>Both are the same profile already.</Problem>
            ) : (
              <Outcome key={`${source.data.id} ${target.data.id}`} source={source.data} target={target.data} />
            ))}
        </div>
      )}
    </>
  );
}

function useProfile(id: string | undefined) {
  const { path } = useApplication();
  return useGet<Profile>(id === undefined ? null : path(`profiles/${encodeURIComponent(id)}/`), {}, { keep: false });
}

function NotFound({ error }: { error: unknown }) {
  const { href } = useApplication();
  if (!(error instanceof ApiError) || error.status !== 404) return <Failed error={error} />;
  return (
    <Empty title="There is no such profile" action={<ButtonLink href={href('profiles')}>All profiles</ButtonLink>}>
      It may have been erased, or the address is not complete.
    </Empty>
  );
}

function Chooser({
  source,
  target,
  problem,
  onChoose,
}: {
  source: Profile;
  target: Profile | undefined;
  problem: string | undefined;
  onChoose: (id: string) => void;
}) {
  const [text, setText] = useState('');
  const found = useProfileSearch(text);
  const options = (found.data ?? [])
    .filter(({ id }) => id !== source.id)
    .map(({ id, nickname, custom_id: customId }) => ({ value: id, label: nickname, hint: customId ?? id }));
  return (
    <div className="narrow">
      <Combobox
        label="The profile that stays"
        value={target?.id ?? ''}
        fallback={target?.nickname ?? ''}
        options={options}
        placeholder="Nickname, custom id or id"
        onSearch={setText}
        onChange={onChoose}
        invalid={problem !== undefined}
      />
      <Problem>{problem}</Problem>
    </div>
  );
}

function Outcome({ source, target }: { source: Profile; target: Profile }) {
  const { path, href } = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [, navigate] = useLocation();
  const [tokens, setTokens] = useState<TokenFate>('revoke');
  const [force, setForce] = useState(false);
  const [asking, setAsking] = useState(false);
  const mustForce = source.custom_id !== null && target.custom_id !== null;
  const address = path(`profiles/${source.id}/merge/`);
  const send = (isDryRun: boolean, signal?: AbortSignal): Promise<MergedProfile> =>
    client.request<MergedProfile>(address, {
      method: 'POST',
      body: { into: target.id, tokens, ...(mustForce && { force: isDryRun || force }) },
      timeout: LONGEST_MS,
      ...(isDryRun && { query: { dry_run: true }, reads: true, signal }),
    });
  const dry = useQuery<MergedProfile>({
    queryKey: [address, 'dry run', target.id, target.updated_at, source.updated_at],
    queryFn: ({ signal }) => send(true, signal),
    staleTime: 15_000,
    retry: false,
  });
  const merge = async (): Promise<void> => {
    const { state, activities } = await send(false);
    await invalidate(path('profiles/'), path('profile-groups/'), path('usage/'));
    toast(
      state === 'merged'
        ? `They are one profile now; ${plural(activities, 'activity', 'activities')} came along.`
        : 'They are one profile now. Its long history is still being brought over.',
    );
    navigate(href(`profiles/${target.id}`));
  };
  return (
    <>
      <Comparison source={source} target={target} after={dry.data} />
      {dry.isError ? (
        <section className="card">
          <Failed error={dry.error} retry={() => void dry.refetch()} />
        </section>
      ) : (
        <GroupsCompared source={source} target={target} after={dry.data} />
      )}
      <section className="card pad stack" aria-labelledby="tokens-heading">
        <h2 id="tokens-heading">Its access tokens</h2>
        <Choices<TokenFate>
          label="Its access tokens"
          value={tokens}
          onChange={setTokens}
          choices={[
            { value: 'revoke', label: 'Revoke them' },
            { value: 'follow', label: 'Let them follow' },
          ]}
        />
        <p className="muted">
          {tokens === 'revoke'
            ? 'Devices that hold a token of the merged profile lose it and sign in again.'
            : 'Devices that hold a token of the merged profile go on, and speak for the profile that stays. Choose this only if they are the same person’s.'}
        </p>
        {mustForce && (
          <CheckField
            label="Merge although both have a custom id"
            hint={
              <>
                Your own systems know them as two: “<bdi className="name">{source.custom_id}</bdi>” and “
                <bdi className="name">{target.custom_id}</bdi>”. After this both lead to the profile that stays.
              </>
            }
            checked={force}
            onChange={(event) => setForce(event.target.checked)}
          />
        )}
        <div className="row">
          <Button
            look="primary"
            danger
            icon={<IconGitMerge size={16} aria-hidden />}
            disabled={!dry.data || (mustForce && !force)}
            onClick={() => dry.data && (!mustForce || force) && setAsking(true)}
          >
            Merge…
          </Button>
          {mustForce && !force && <span className="muted">Both have a custom id: say that it is meant.</span>}
        </div>
      </section>
      {asking && (
        <Confirm
          title={`Merge “${source.nickname}” into “${target.nickname}”?`}
          action="Merge for good"
          name={source.nickname}
          onClose={() => setAsking(false)}
          run={merge}
        >
          <p>
            Its id leads to “<bdi className="name">{target.nickname}</bdi>” from then on. They cannot be told apart
            again.
          </p>
        </Confirm>
      )}
    </>
  );
}
