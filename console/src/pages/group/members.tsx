// The members of a group: listed, found, and of a static group added and removed.

import { useState } from 'react';
import { IconDownload, IconPlus, IconUpload, IconUserMinus, IconUsers } from '@tabler/icons-react';
import { Link } from 'wouter';
import { formatNumber, plural } from '../../format.ts';
import { useGet, useInvalidate, useSettled } from '../../queries.ts';
import { useProfileSearch } from '../../search.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, Member, MembershipState, Page, Profile } from '../../types.ts';
import { Badge, Empty, Failed, Skeleton, SkeletonRows, Time } from '../../ui/bits.tsx';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { SearchField } from '../../ui/field.tsx';
import { Pager } from '../../ui/pager.tsx';
import { SortHead } from '../../ui/sort-head.tsx';
import { useViewParams } from '../../view-params.ts';
import { toast } from '../../ui/toast.tsx';
import { messageOf } from '../../api.ts';
import { AddMembers } from './add-members.tsx';
import { DownloadMembers } from './download-members.tsx';

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
  const [dialog, setDialog] = useState<'paste' | 'upload' | 'download' | undefined>(undefined);
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
            <Button icon={<IconDownload size={16} aria-hidden />} onClick={() => setDialog('download')}>
              Download
            </Button>
          )}
        </div>
      </div>
      {search.trim() !== '' ? (
        <Found group={group} text={search} editable={editable} />
      ) : (
        <section className="card" aria-label="List of members">
          {members.isError && !rows ? (
            <Failed error={members.error} retry={() => void members.refetch()} />
          ) : rows?.length === 0 ? (
            <NoMembers group={group} onAdd={() => setDialog('paste')} editable={editable} />
          ) : (
            <div className="table-wrap">
              <table className="table">
                <thead>
                  <tr>
                    {editable && (
                      <th scope="col" className="fit">
                        <input
                          type="checkbox"
                          aria-label="Choose all on this page"
                          checked={allChosen}
                          disabled={!rows}
                          onChange={() => setChosen(allChosen ? new Set() : new Set(rows?.map(({ id }) => id)))}
                        />
                      </th>
                    )}
                    <SortHead
                      field={group.profile_count <= MAX_SORTED ? 'nickname' : undefined}
                      ordering={ordering}
                      onOrder={(next) => set({ ordering: next })}
                    >
                      Profile
                    </SortHead>
                    <th scope="col" className="hide-phone">
                      Custom id
                    </th>
                    <SortHead
                      field="membership_created_at"
                      byDefault="-membership_created_at"
                      ordering={ordering}
                      className="right"
                      onOrder={(next) => set({ ordering: next })}
                    >
                      Since
                    </SortHead>
                    {editable && (
                      <th scope="col" className="fit hide-phone">
                        <span className="visually-hidden">Actions</span>
                      </th>
                    )}
                  </tr>
                </thead>
                <tbody>
                  {rows ? (
                    rows.map((row) => (
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
                    ))
                  ) : (
                    <SkeletonRows widths={editable ? [16, '50%', 120, 80, 24] : ['50%', 120, 80]} />
                  )}
                </tbody>
              </table>
            </div>
          )}
          {members.data && <Pager page={members.data} noun="member" onCursor={(next) => set({ cursor: next })} />}
        </section>
      )}
      {(dialog === 'paste' || dialog === 'upload') && (
        <AddMembers group={group} from={dialog} onClose={() => setDialog(undefined)} />
      )}
      {dialog === 'download' && <DownloadMembers group={group} onClose={() => setDialog(undefined)} />}
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

function Found({ group, text, editable }: { group: Group; text: string; editable: boolean }) {
  const application = useApplication();
  const found = useProfileSearch(text);
  const settled = useSettled(text.trim(), 220);
  const isSearchable = group.profile_count <= MAX_SORTED && settled !== '';
  const members = useGet<Page<Member>>(isSearchable ? application.path(`profile-groups/${group.id}/members/`) : null, {
    nickname: settled,
    ordering: 'nickname',
    page_size: 20,
    count: false,
  });
  // Members first; then everybody else of that name, who may be added or asked about.
  const inside = (isSearchable && members.data?.results) || [];
  const known = new Set(inside.map(({ id }) => id));
  const rows = found.data && [...inside, ...found.data.filter(({ id }) => !known.has(id))];
  if (found.isError && !found.data) {
    return (
      <section className="card">
        <Failed error={found.error} retry={() => void found.refetch()} />
      </section>
    );
  }
  return (
    <section className="card" aria-label="Profiles that match" aria-busy={found.isFetching}>
      {rows?.length === 0 ? (
        <Empty title="No profile matches">Try the beginning of a nickname, a whole custom id, or an id.</Empty>
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Profile</th>
              <th scope="col">In the group</th>
              <th scope="col" className="fit">
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows ? (
              rows.map((profile) => <FoundRow key={profile.id} group={group} profile={profile} editable={editable} />)
            ) : (
              <SkeletonRows rows={3} widths={['50%', 80, 60]} />
            )}
          </tbody>
        </table>
      )}
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
