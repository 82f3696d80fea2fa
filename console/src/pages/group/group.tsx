// One group: what it is, how it moves, and the pages below it.

import {
  IconArchive,
  IconArchiveOff,
  IconCopy,
  IconPlayerPause,
  IconPlayerPlay,
  IconShieldCheck,
  IconTrash,
} from '@tabler/icons-react';
import { useState } from 'react';
import { Route, Switch, useLocation, useParams } from 'wouter';
import { ApiError, messageOf } from '../../api.ts';
import { formatNumber, plural } from '../../format.ts';
import { useGet, useInvalidate, useSend } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Empty, EvaluationBadge, Failed, Skeleton } from '../../ui/bits.tsx';
import { ButtonLink } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Menu } from '../../ui/menu.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Tabs } from '../../ui/tabs.tsx';
import { toast } from '../../ui/toast.tsx';
import { GroupChanges } from './changes.tsx';
import { GroupMembers } from './members.tsx';
import { GroupOverlap } from './overlap.tsx';
import { GroupOverview } from './overview.tsx';
import { GroupRule } from './rule.tsx';
import { GroupSettings } from './settings.tsx';

export function GroupPage() {
  const { group_id: id = '' } = useParams();
  const application = useApplication();
  const group = useGet<Group>(
    application.path(`profile-groups/${encodeURIComponent(id)}/`),
    {},
    { every: (answer) => (answer?.evaluation?.state === 'filling' ? 1_000 : 5_000), keep: false },
  );
  const back = { href: application.href('groups'), label: 'Groups' };
  if (!group.data) {
    const gone = group.error instanceof ApiError && group.error.status === 404;
    return (
      <>
        <PageHead title={gone ? 'No such group' : 'Group'} back={back} />
        <section className="card">
          {gone ? (
            <InactiveOrGone id={id} />
          ) : group.isError ? (
            <Failed error={group.error} retry={() => void group.refetch()} />
          ) : (
            <div className="pad">
              <Skeleton width="40%" height={20} />
            </div>
          )}
        </section>
      </>
    );
  }
  const base = application.href(`groups/${id}`);
  const tabs = [
    { href: base, label: 'Overview' },
    { href: `${base}/members`, label: 'Members' },
    ...(group.data.membership_type === 'dynamic' ? [{ href: `${base}/rule`, label: 'Rule' }] : []),
    { href: `${base}/changes`, label: 'Changes' },
    { href: `${base}/overlap`, label: 'Overlap' },
    { href: `${base}/settings`, label: 'Settings' },
  ];
  const path = '/apps/:client_id/groups/:group_id';
  return (
    <>
      <PageHead
        title={group.data.name}
        back={back}
        beside={<EvaluationBadge evaluation={group.data.evaluation} membership={group.data.membership_type} />}
        actions={application.canWrite && <Actions group={group.data} />}
      >
        {group.data.description}
      </PageHead>
      <Tabs label="Group" tabs={tabs} />
      <Switch>
        <Route path={path}>
          <GroupOverview group={group.data} />
        </Route>
        <Route path={`${path}/members`}>
          <GroupMembers group={group.data} />
        </Route>
        {group.data.membership_type === 'dynamic' && (
          <Route path={`${path}/rule`}>
            <GroupRule group={group.data} />
          </Route>
        )}
        <Route path={`${path}/changes`}>
          <GroupChanges group={group.data} />
        </Route>
        <Route path={`${path}/overlap`}>
          <GroupOverlap key={group.data.id} group={group.data} />
        </Route>
        <Route path={`${path}/settings`}>
          <GroupSettings key={group.data.id} group={group.data} />
        </Route>
        <Route>
          <Empty
            title="There is nothing at this address"
            action={<ButtonLink href={base}>Go to the group</ButtonLink>}
          />
        </Route>
      </Switch>
    </>
  );
}

function Actions({ group }: { group: Group }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<'delete' | 'deactivate' | 'verify' | undefined>(undefined);
  const path = application.path(`profile-groups/${group.id}/`);
  const list = application.path('profile-groups/');
  const change = useSend<Partial<Group>>(
    (sender, body) => sender.request(path, { method: 'PATCH', body }),
    () => [list],
  );
  const pause = (isPaused: boolean): void =>
    change.mutate(
      { is_paused: isPaused },
      {
        onSuccess: () =>
          toast(isPaused ? 'Paused. Membership is frozen.' : 'Resumed. Membership follows the rule again.', () =>
            client.request(path, { method: 'PATCH', body: { is_paused: !isPaused } }).then(() => invalidate(list)),
          ),
        onError: (error) => toast(error.message),
      },
    );
  const leave = async (): Promise<void> => {
    navigate(application.href('groups'));
    await invalidate(list);
  };
  return (
    <>
      <Menu label="More about this group">
        {group.membership_type === 'dynamic' &&
          (group.is_paused ? (
            <button type="button" onClick={() => pause(false)}>
              <IconPlayerPlay size={16} aria-hidden /> Resume
            </button>
          ) : (
            <button type="button" onClick={() => pause(true)}>
              <IconPlayerPause size={16} aria-hidden /> Pause
            </button>
          ))}
        {group.evaluation?.state === 'live' && (
          <button type="button" onClick={() => setAsking('verify')}>
            <IconShieldCheck size={16} aria-hidden /> Verify…
          </button>
        )}
        <button type="button" onClick={() => navigate(`${application.href('groups/new')}?copy=${group.id}`)}>
          <IconCopy size={16} aria-hidden /> Duplicate…
        </button>
        <button type="button" onClick={() => setAsking('deactivate')}>
          <IconArchive size={16} aria-hidden /> Deactivate…
        </button>
        <hr />
        <button type="button" className="danger" onClick={() => setAsking('delete')}>
          <IconTrash size={16} aria-hidden /> Delete…
        </button>
      </Menu>
      {asking === 'verify' && <Verify path={path} onClose={() => setAsking(undefined)} />}
      {asking === 'delete' && (
        <Confirm
          title={`Delete “${group.name}”?`}
          action="Delete the group"
          name={group.name}
          onClose={() => setAsking(undefined)}
          run={async () => {
            await client.request(path, { method: 'DELETE' });
            toast(`“${group.name}” was deleted.`);
            await leave();
          }}
        >
          The group, its members list and its history are gone for good. The profiles stay. To keep it for later,
          deactivate it instead.
        </Confirm>
      )}
      {asking === 'deactivate' && (
        <Confirm
          title={`Deactivate “${group.name}”?`}
          action="Deactivate"
          onClose={() => setAsking(undefined)}
          run={async () => {
            await client.request(path, { method: 'PATCH', body: { is_active: false } });
            toast(`“${group.name}” is inactive.`, () =>
              client.request(`${path}restore/`, { method: 'POST', body: {} }).then(() => invalidate(list)),
            );
            await leave();
          }}
        >
          Apps no longer find it, and it is no longer evaluated. Its members are kept; you can restore it at any time.
        </Confirm>
      )}
    </>
  );
}

interface Verification {
  checked: number;
  missing: number;
  extra: number;
}

/** Compares who is in the group with what the raw activities say. */
function Verify({ path, onClose }: { path: string; onClose: () => void }) {
  const verify = useSend<undefined, Verification>((client) =>
    client.request(`${path}verify/`, { method: 'POST', body: {}, reads: true, timeout: 120_000 }),
  );
  const { data } = verify;
  const wrong = data ? data.missing + data.extra : 0;
  return (
    <Dialog
      title="Verify this group"
      onClose={onClose}
      onSubmit={() => verify.mutate(undefined)}
      action={verify.isPending ? 'Comparing…' : data ? 'Verify again' : 'Verify'}
      busy={verify.isPending}
      problem={verify.error ? messageOf(verify.error) : undefined}
      cancel={data ? 'Close' : 'Cancel'}
    >
      <p className="muted">
        Works out the members anew from every single activity, in another way than usual, and compares. It changes
        nothing.
      </p>
      <div role="status">
        {data && (
          <p>
            {plural(data.checked, 'profile')} compared:{' '}
            {wrong === 0 ? (
              <strong>every one of them is right.</strong>
            ) : (
              <strong>
                {formatNumber(data.missing)} are missing, {formatNumber(data.extra)} should not be there.
              </strong>
            )}
          </p>
        )}
      </div>
    </Dialog>
  );
}

/** An inactive group answers 404 like one that never was; the list of inactive ones tells them apart. */
function InactiveOrGone({ id }: { id: string }) {
  const application = useApplication();
  const list = application.path('profile-groups/');
  const inactive = useGet<{ results: Group[] }>(list, { is_active: 'false', page_size: 100 });
  const group = inactive.data?.results.find((one) => one.id === id);
  const restore = useSend<undefined>(
    (client) => client.request(application.path(`profile-groups/${id}/restore/`), { method: 'POST', body: {} }),
    () => [list],
  );
  if (inactive.isPending)
    return (
      <div className="pad">
        <Skeleton width="40%" height={20} />
      </div>
    );
  if (!group)
    return <Empty title="There is no such group">It may have been deleted, or the address is not complete.</Empty>;
  return (
    <Empty
      icon={<IconArchive size={32} aria-hidden />}
      title={`“${group.name}” is inactive`}
      action={
        application.canWrite && (
          <button
            type="button"
            className="button primary"
            onClick={() => restore.mutate(undefined, { onError: (error) => toast(error.message) })}
          >
            <IconArchiveOff size={16} aria-hidden /> Restore
          </button>
        )
      }
    >
      Apps do not find it and it is not evaluated. Its {group.profile_count} members are kept.
    </Empty>
  );
}
