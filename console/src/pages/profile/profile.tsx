// One profile: who it is, what it did, which groups it is in and why.

import { useState } from 'react';
import { IconGitMerge, IconKey, IconPencil, IconTrash } from '@tabler/icons-react';
import { useLocation, useParams } from 'wouter';
import { ApiError } from '../../api.ts';
import { useGet, useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Profile } from '../../types.ts';
import { Empty, Failed, Skeleton, Time } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Id } from '../../ui/copy.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Menu } from '../../ui/menu.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { ShownOnce } from '../../ui/shown-once.tsx';
import { toast } from '../../ui/toast.tsx';
import { ProfileActivities } from './activities.tsx';
import { ProfileAttributes } from './attributes.tsx';
import { EditProfile } from './edit.tsx';
import { ProfileGroups } from './groups.tsx';
import { Merges } from './merges.tsx';
import { Summary } from './summary.tsx';

export function ProfilePage() {
  const { profile_id: id = '' } = useParams();
  const application = useApplication();
  const path = application.path(`profiles/${encodeURIComponent(id)}/`);
  const profile = useGet<Profile>(path, {}, { every: 15_000, keep: false });
  const back = { href: application.href('profiles'), label: 'Profiles' };
  if (!profile.data) {
    const gone = profile.error instanceof ApiError && profile.error.status === 404;
    return (
      <>
        <PageHead title={gone ? 'No such profile' : 'Profile'} back={back} />
        <section className="card">
          {gone ? (
            <Empty title="There is no such profile" action={<ButtonLink href={back.href}>All profiles</ButtonLink>}>
              It may have been erased, or the address is not complete.
            </Empty>
          ) : profile.isError ? (
            <Failed error={profile.error} retry={() => void profile.refetch()} />
          ) : (
            <div className="pad">
              <Skeleton width="40%" height={20} />
            </div>
          )}
        </section>
      </>
    );
  }
  return (
    <>
      <PageHead
        title={profile.data.nickname}
        back={back}
        actions={application.canWrite && <Actions profile={profile.data} />}
      />
      {id.toLowerCase() !== profile.data.id && (
        <p className="card pad notice" role="note">
          <IconGitMerge size={20} aria-hidden />
          <span>
            <code className="name">{id}</code> was merged into this profile, and leads here since.
          </span>
        </p>
      )}
      <div className="profile-grid">
        <Summary profile={profile.data} />
        <ProfileGroups profile={profile.data} />
        <div className="profile-side">
          <Identity profile={profile.data} />
          <Merges profile={profile.data} />
        </div>
        <ProfileActivities profile={profile.data} />
      </div>
    </>
  );
}

function Identity({ profile }: { profile: Profile }) {
  return (
    <>
      <section className="card pad stack" aria-labelledby="identity-heading">
        <h2 id="identity-heading">Identity</h2>
        <dl className="facts">
          <dt>Id</dt>
          <dd>
            <Id value={profile.id} label="id" />
          </dd>
          <dt>Custom id</dt>
          <dd>
            {profile.custom_id === null ? (
              <span className="faint">none</span>
            ) : (
              <Id value={profile.custom_id} label="custom id" />
            )}
          </dd>
          <dt>Changed</dt>
          <dd>
            <Time at={profile.updated_at} />
          </dd>
        </dl>
      </section>
      <ProfileAttributes profile={profile} />
      {profile.custom_data !== null && profile.custom_data !== '' && (
        <section className="card pad stack" aria-labelledby="data-heading">
          <h2 id="data-heading">Custom data</h2>
          <pre className="text-block small" tabIndex={0} role="region" aria-labelledby="data-heading">
            {profile.custom_data}
          </pre>
        </section>
      )}
    </>
  );
}

function Actions({ profile }: { profile: Profile }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<'edit' | 'rotate' | 'revoke' | 'erase' | undefined>(undefined);
  const [token, setToken] = useState<string | undefined>(undefined);
  const tokens = `profiles/${profile.id}/access-tokens/`;
  const close = (): void => setAsking(undefined);
  return (
    <>
      <Button icon={<IconPencil size={16} aria-hidden />} onClick={() => setAsking('edit')}>
        Edit
      </Button>
      <Menu label="More about this profile">
        <button type="button" onClick={() => setAsking('rotate')}>
          <IconKey size={16} aria-hidden /> New access token…
        </button>
        <button type="button" onClick={() => setAsking('revoke')}>
          <IconKey size={16} aria-hidden /> Revoke access tokens…
        </button>

        <button type="button" onClick={() => navigate(application.href(`profiles/${profile.id}/merge`))}>
          <IconGitMerge size={16} aria-hidden /> Merge into another…
        </button>
        <hr />
        <button type="button" className="danger" onClick={() => setAsking('erase')}>
          <IconTrash size={16} aria-hidden /> Erase…
        </button>
      </Menu>
      {asking === 'edit' && <EditProfile profile={profile} onClose={close} />}
      {asking === 'rotate' && (
        <Confirm
          title="Create a new access token?"
          action="Create it"
          onClose={close}
          run={async () => {
            const answer = await client.request<{ access_token: string }>(tokens, { method: 'POST', body: {} });
            setToken(answer.access_token);
          }}
        >
          The tokens that this profile has now stop working: its devices lose it until they get the new one.
        </Confirm>
      )}
      {asking === 'revoke' && (
        <Confirm
          title="Revoke every access token?"
          action="Revoke them"
          onClose={close}
          run={async () => {
            await client.request(tokens, { method: 'DELETE' });
            toast('Its access tokens are dead.');
          }}
        >
          Nobody can use this profile any more until it gets a new token or its account signs in again.
        </Confirm>
      )}
      {asking === 'erase' && (
        <Confirm
          title="Erase this profile?"
          action="Erase for good"
          name={profile.nickname}
          onClose={close}
          run={async () => {
            await client.request(`profiles/${profile.id}/`, { method: 'DELETE' });
            toast('The profile was erased.');
            navigate(application.href('profiles'));
            await invalidate(application.path('profiles/'), application.path('profile-groups/'));
          }}
        >
          The profile, its tokens, memberships and activities are gone for good. This cannot be undone.
        </Confirm>
      )}
      {token !== undefined && (
        <ShownOnce title="The new access token" noun="token" text={token} onClose={() => setToken(undefined)}>
          This is its access token. It is shown here and nowhere else: copy it now if you need it.
        </ShownOnce>
      )}
    </>
  );
}
