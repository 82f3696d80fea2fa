// The members of a group: listed, found, and of a static group added and removed.

import { useState } from 'react';
import { IconPlus, IconUpload, IconUserMinus, IconUsers } from '@tabler/icons-react';
import { Link } from 'wouter';
import { DownloadButton, fileName } from '../../files/download.tsx';
import { formatNumber, plural } from '../../format.ts';
import { useGet, useInvalidate, useSettled } from '../../queries.ts';
import { useProfileSearch } from '../../search.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, Member, MembershipState, Page, Profile } from '../../types.ts';
import { Badge, Empty, Skeleton, Time } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { SearchField } from '../../ui/field.tsx';
import { Pager } from '../../ui/pager.tsx';
import { ACTIONS, Table, type Column } from '../../ui/table.tsx';
import { useViewParams } from '../../view-params.ts';
import { toast } from '../../ui/toast.tsx';
import { messageOf } from '../../api.ts';
import { AddMembers } from './add-members.tsx';

/** Adds and removes single members, each with a way back. */
function useMembership(group: Group) {
  const { client } = useSession();
  const { path } = useApplication();
  const invalidate = useInvalidate();
  const groupPath = path(`profile-groups/${group.id}/`);
  const send = async (method: 'POST' | 'DELETE', ids: string[]): Promise<void> => {
    await client.request(`${groupPath}members/`, { method, body: { profile_ids: ids } });
    await invalidate(groupPath);
  };
  const run = (method: 'POST' | 'DELETE', ids: string[], what: string): void => {
    send(method, ids).then(
      () => toast(what, () => send(method === 'POST' ? 'DELETE' : 'POST', ids)),
      (error: unknown) => toast(messageOf(error)),
    );
  };
  return {
    add: (id: string, name: string) => run('POST', [id], `“${name}” was added.`),
    remove: (ids: string[], name: string) =>
      run('DELETE', ids, ids.length === 1 ? `“${name}” was removed.` : `${plural(ids.length, 'member')} were removed.`),
  };
}

/** Larger groups are not sorted by nickname. */
const MAX_SORTED = 10_000;

export function GroupMembers({ group }: { group: Group }) {
  const application = useApplication();
  const [params, set] = useViewParams();
  const search = params.get('q') ?? '';
  const ordering = params.get('ordering') ?? '';
  const [dialog, setDialog] = useState<'paste' | 'upload' | undefined>(undefined);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const cursor = params.get('cursor') ?? '';
  const members = useGet<Page<Member>>(
    application.path(`profile-groups/${group.id}/members/`),
    { cursor, ordering, page_size: 25 },
    { every: 10_000 },
  );
  const { remove } = useMembership(group);
  const editable = group.membership_type === 'static' && application.canWrite;
  const rows = members.data?.results;
  const allChosen = rows !== undefined && rows.length > 0 && rows.every(({ id }) => chosen.has(id));
  const toggle = (id: string): void =>
    setChosen((before) =>
      before.has(id) ? new Set([...before].filter((one) => one !== id)) : new Set([...before, id]),
    );
  const order = (next: string): void => set({ ordering: next });
  const columns: (Column | false)[] = [
    editable && {
      head: (
        <input
          type="checkbox"
          aria-label="Choose all on this page"
          checked={allChosen}
          disabled={!rows}
          onChange={() => setChosen(allChosen ? new Set() : new Set(rows?.map(({ id }) => id)))}
        />
      ),
      skeleton: 16,
      className: 'fit',
    },
    {
      head: 'Profile',
      skeleton: '50%',
      order: group.profile_count <= MAX_SORTED ? { by: 'nickname', now: ordering, set: order } : undefined,
    },
    { head: 'Custom id', skeleton: 120, className: 'hide-phone' },
    {
      head: 'Since',
      skeleton: 80,
      className: 'right',
      order: { by: 'membership_created_at', byDefault: '-membership_created_at', now: ordering, set: order },
    },
    editable && { ...ACTIONS, className: 'fit hide-phone' },
  ];
  return (
    <>
      <div className="toolbar">
        <SearchField
          label="Find a profile by name, id or custom id"
          value={search}
          onChange={(event) => set({ q: event.target.value })}
        />
        <div className="row wrap push">
          {chosen.size > 0 && editable && (
            <Button
              danger
              icon={<IconUserMinus size={16} aria-hidden />}
              onClick={() => {
                remove([...chosen], rows?.find((row) => chosen.has(row.id))?.nickname ?? '');
                setChosen(new Set());
              }}
            >
              Remove {formatNumber(chosen.size)}
            </Button>
          )}
          {editable && (
            <>
              <Button icon={<IconPlus size={16} aria-hidden />} onClick={() => setDialog('paste')}>
                Add…
              </Button>
              <Button icon={<IconUpload size={16} aria-hidden />} onClick={() => setDialog('upload')}>
                Upload…
              </Button>
            </>
          )}
          {group.profile_count > 0 && (
            <DownloadButton
              path={application.path(`profile-groups/${group.id}/members/`)}
              query={{ format: 'csv' }}
              name={fileName(group.name)}
            >
              Download
            </DownloadButton>
          )}
        </div>
      </div>
      {search.trim() !== '' ? (
        <Found group={group} text={search} editable={editable} />
      ) : (
        <section className="card" aria-label="List of members">
          <Table
            columns={columns}
            rows={rows}
            of={members}
            folds={false}
            empty={<NoMembers group={group} onAdd={() => setDialog('paste')} editable={editable} />}
          >
            {(row) => (
              <tr key={row.id} className="linked">
                {editable && (
                  <td className="fit">
                    <input
                      type="checkbox"
                      className="over-link"
                      aria-label={`Choose ${row.nickname}`}
                      checked={chosen.has(row.id)}
                      onChange={() => toggle(row.id)}
                    />
                  </td>
                )}
                <td>
                  <Link href={application.href(`profiles/${row.id}`)} className="row-link name">
                    <bdi>{row.nickname}</bdi>
                  </Link>
                </td>
                <td className="muted hide-phone cell-id">
                  <span className="truncate mono">{row.custom_id ?? ''}</span>
                </td>
                <td className="fit right muted">
                  <Time at={row.membership_created_at} ago />
                </td>
                {editable && (
                  <td className="fit hide-phone">
                    <span className="over-link">
                      <Button
                        look="quiet"
                        small
                        danger
                        iconOnly
                        icon={<IconUserMinus size={16} aria-hidden />}
                        onClick={() => remove([row.id], row.nickname)}
                      >
                        {`Remove ${row.nickname}`}
                      </Button>
                    </span>
                  </td>
                )}
              </tr>
            )}
          </Table>
          {members.data && <Pager page={members.data} noun="member" onCursor={(next) => set({ cursor: next })} />}
        </section>
      )}
      {dialog && <AddMembers group={group} from={dialog} onClose={() => setDialog(undefined)} />}
    </>
  );
}

function NoMembers({ group, editable, onAdd }: { group: Group; editable: boolean; onAdd: () => void }) {
  const icon = <IconUsers size={34} aria-hidden />;
  if (group.membership_type === 'dynamic') {
    return (
      <Empty icon={icon} title="Nobody matches the rule right now">
        Profiles enter by themselves as soon as the rule holds for them.
      </Empty>
    );
  }
  return (
    <Empty
      icon={icon}
      title="No members yet"
      action={
        editable && (
          <Button look="primary" onClick={onAdd}>
            Add members
          </Button>
        )
      }
    >
      Find somebody by name above, paste a list of ids, or upload a CSV file.
    </Empty>
  );
}

const FOUND_COLUMNS: Column[] = [{ head: 'Profile', skeleton: '50%' }, { head: 'In the group', skeleton: 80 }, ACTIONS];

function Found({ group, text, editable }: { group: Group; text: string; editable: boolean }) {
  const application = useApplication();
  const found = useProfileSearch(text);
  const settled = useSettled(text.trim(), 220);
  const isSearchable = group.profile_count <= MAX_SORTED && settled !== '';
  const members = useGet<Page<Member>>(isSearchable ? application.path(`profile-groups/${group.id}/members/`) : null, {
    search: settled.slice(0, 255),
    ordering: 'nickname',
    page_size: 20,
    count: false,
  });
  // Members first; then everybody else of that name, who may be added or asked about.
  const inside = (isSearchable && members.data?.results) || [];
  const known = new Set(inside.map(({ id }) => id));
  const rows = found.data && [...inside, ...found.data.filter(({ id }) => !known.has(id))];
  return (
    <section className="card" aria-label="Profiles that match" aria-busy={found.isFetching}>
      <Table
        columns={FOUND_COLUMNS}
        rows={rows}
        of={found}
        folds={false}
        loading={3}
        empty={
          <Empty title="No profile matches">
            Try the beginning of any word of the nickname, the beginning of a custom id, or an id.
          </Empty>
        }
      >
        {(profile) => <FoundRow key={profile.id} group={group} profile={profile} editable={editable} />}
      </Table>
    </section>
  );
}

type Named = Pick<Profile, 'id' | 'nickname' | 'custom_id'>;

function FoundRow({ group, profile, editable }: { group: Group; profile: Named; editable: boolean }) {
  const application = useApplication();
  const { add, remove } = useMembership(group);
  const membership = useGet<MembershipState>(application.path(`profile-groups/${group.id}/members/${profile.id}/`));
  return (
    <tr>
      <td>
        <Link href={application.href(`profiles/${profile.id}`)} className="name">
          <bdi>{profile.nickname}</bdi>
        </Link>
        {profile.custom_id !== null && <div className="muted small mono name">{profile.custom_id}</div>}
      </td>
      <td>
        {membership.data ? (
          membership.data.is_member ? (
            <Badge tone="good">Member</Badge>
          ) : (
            <Badge>Not a member</Badge>
          )
        ) : (
          <Skeleton width={80} />
        )}
      </td>
      <td className="fit">
        {editable && membership.data ? (
          membership.data.is_member ? (
            <Button small danger onClick={() => remove([profile.id], profile.nickname)}>
              Remove
            </Button>
          ) : (
            <Button small look="primary" onClick={() => add(profile.id, profile.nickname)}>
              Add
            </Button>
          )
        ) : (
          group.membership_type === 'dynamic' && (
            <ButtonLink small href={application.href(`profiles/${profile.id}?why=${group.id}`)}>
              Why?
            </ButtonLink>
          )
        )}
      </td>
    </tr>
  );
}
