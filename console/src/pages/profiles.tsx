import { useState } from 'react';
import { IconFilter, IconUserPlus, IconUsers } from '@tabler/icons-react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { fieldsOf, restOf } from '../api.ts';
import { useGet, useSend } from '../queries.ts';
import { useProfileSearch } from '../search.ts';
import { useApplication } from '../session.tsx';
import type { Page, Profile } from '../types.ts';
import { Badge, Empty, Time } from '../ui/bits.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { SearchField, TextField } from '../ui/field.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Pager } from '../ui/pager.tsx';
import { ShownOnce } from '../ui/shown-once.tsx';
import { Table, type Column } from '../ui/table.tsx';

export function ProfilesPage() {
  const application = useApplication();
  const [params, setParams] = useSearchParams();
  const search = params.get('q') ?? '';
  const attributes = params.getAll('attribute');
  const cursor = params.get('cursor') ?? '';
  const [creating, setCreating] = useState(false);
  const [filtering, setFiltering] = useState(false);
  const list = useGet<Page<Profile>>(search.trim() === '' ? application.path('profiles/') : null, {
    cursor,
    attributes,
  });
  const found = useProfileSearch(search, 20);
  const rows = search.trim() === '' ? list.data?.results : found.data;
  const active = search.trim() === '' ? list : found;
  const set = (change: (next: URLSearchParams) => void): void =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.delete('cursor');
        change(next);
        return next;
      },
      { replace: true },
    );
  return (
    <>
      <PageHead
        title="Profiles"
        actions={
          application.canWrite && (
            <Button icon={<IconUserPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              New profile
            </Button>
          )
        }
      >
        Everybody who uses your apps: one profile for each fan.
      </PageHead>
      <div className="toolbar">
        <SearchField
          label="Nickname, id or custom id"
          value={search}
          onChange={(event) =>
            set((next) => (event.target.value === '' ? next.delete('q') : next.set('q', event.target.value)))
          }
        />
        <Button icon={<IconFilter size={16} aria-hidden />} onClick={() => setFiltering(true)}>
          Attribute…
        </Button>
        {attributes.map((pair) => (
          <span key={pair} className="chip">
            <bdi className="name">{pair.replace(':', ': ')}</bdi>
            <button
              type="button"
              aria-label={`Remove the filter ${pair}`}
              onClick={() => set((next) => next.delete('attribute', pair))}
            >
              ×
            </button>
          </span>
        ))}
      </div>
      <section className="card" aria-label="List of profiles" aria-busy={active.isFetching}>
        <Table
          columns={COLUMNS}
          rows={rows}
          of={active}
          empty={
            search !== '' || attributes.length > 0 ? (
              <Empty icon={<IconUsers size={34} aria-hidden />} title="No profile matches">
                Nicknames are found by the beginning of any of their words, in any case, custom ids by their beginning;
                ids and attributes only whole.
              </Empty>
            ) : (
              <Empty icon={<IconUsers size={34} aria-hidden />} title="No profiles yet">
                A profile is created when an app starts for the first time, when one of your accounts signs in, or when
                your back end creates it. You can create one here to try things out.
              </Empty>
            )
          }
        >
          {(profile) => <ProfileRow key={profile.id} profile={profile} />}
        </Table>
        {search.trim() === '' && list.data && (
          <Pager page={list.data} noun="profile" onCursor={(next) => set((params) => params.set('cursor', next))} />
        )}
      </section>
      {creating && <NewProfile onClose={() => setCreating(false)} />}
      {filtering && (
        <AttributeFilter
          onClose={() => setFiltering(false)}
          onAdd={(pair) =>
            set((next) => {
              next.delete('q');
              next.append('attribute', pair);
            })
          }
        />
      )}
    </>
  );
}

const COLUMNS: Column[] = [
  { head: 'Nickname', skeleton: '60%' },
  { head: 'Custom id', skeleton: 110 },
  { head: 'Attributes', skeleton: '70%' },
  { head: 'Last active', skeleton: 80 },
  { head: 'Created', skeleton: 80 },
];

function ProfileRow({ profile }: { profile: Profile }) {
  const { href } = useApplication();
  return (
    <tr className="linked">
      <td>
        <Link href={href(`profiles/${profile.id}`)} className="row-link name">
          <bdi>{profile.nickname}</bdi>
        </Link>
      </td>
      <td className="muted cell-id">
        <span className="truncate mono">{profile.custom_id ?? ''}</span>
      </td>
      <td className="wide hide-narrow cell-pairs">
        <span className="row" style={{ '--gap': '4px', overflow: 'hidden' } as React.CSSProperties}>
          {profile.attributes.slice(0, 3).map(({ key, value }) => (
            <Badge key={`${key} ${value}`} title={`${key}: ${value}`}>
              <bdi className="truncate pair">
                {key}: {value}
              </bdi>
            </Badge>
          ))}
          {profile.attributes.length > 3 && <span className="faint small">+{profile.attributes.length - 3}</span>}
        </span>
      </td>
      <td className="fit muted hide-narrow">
        {profile.last_active_at ? <Time at={profile.last_active_at} ago /> : 'never'}
      </td>
      <td className="fit muted hide-narrow">
        <Time at={profile.created_at} ago />
      </td>
    </tr>
  );
}

function NewProfile({ onClose }: { onClose: () => void }) {
  const application = useApplication();
  const [, navigate] = useLocation();
  const [nickname, setNickname] = useState('');
  const [customId, setCustomId] = useState('');
  const [made, setMade] = useState<(Profile & { access_token: string }) | undefined>(undefined);
  const create = useSend<undefined, Profile & { access_token: string }>(
    (client) => {
      const body = nickname.trim() === '' ? {} : { nickname };
      return client.request(
        customId === ''
          ? application.path('profile/')
          : `profile-by-custom-id/${encodeURIComponent(application.client_id)}/${encodeURIComponent(customId)}/`,
        { method: 'POST', body },
      );
    },
    () => [application.path('profiles/')],
  );
  const errors = fieldsOf(create.error);
  const rest = restOf(create.error, ['nickname', 'custom_id']);
  if (made) {
    return (
      <ShownOnce
        title="The profile was created"
        noun="token"
        text={made.access_token}
        onClose={() => {
          onClose();
          navigate(application.href(`profiles/${made.id}`));
        }}
      >
        This is its access token. It is shown here and nowhere else: copy it now if you need it.
      </ShownOnce>
    );
  }
  return (
    <Dialog
      title="New profile"
      onClose={onClose}
      onSubmit={() => create.mutate(undefined, { onSuccess: setMade })}
      action="Create the profile"
      busy={create.isPending}
      problem={rest}
    >
      <TextField
        label="Nickname"
        hint="Empty: one is chosen for it."
        value={nickname}
        errors={errors['nickname']}
        autoFocus
        onChange={(event) => setNickname(event.target.value)}
      />
      <TextField
        label="Custom id"
        hint="Optional. The id of this fan in your own system."
        value={customId}
        errors={errors['custom_id']}
        onChange={(event) => setCustomId(event.target.value)}
      />
    </Dialog>
  );
}

function AttributeFilter({ onAdd, onClose }: { onAdd: (pair: string) => void; onClose: () => void }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const [tried, setTried] = useState(false);
  const submit = (): void => {
    setTried(true);
    if (key === '') return;
    onAdd(`${key}:${value}`);
    onClose();
  };
  return (
    <Dialog title="Only profiles with an attribute" onClose={onClose} onSubmit={submit} action="Show them">
      <TextField
        label="Key"
        value={key}
        autoFocus
        errors={tried && key === '' ? ['Which attribute?'] : undefined}
        onChange={(event) => setKey(event.target.value)}
      />
      <TextField
        label="Value"
        hint="Exactly as it is stored."
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
    </Dialog>
  );
}
