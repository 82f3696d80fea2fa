// The groups of a profile, each with why; and any other group, with why not.

import { useState } from 'react';
import { IconChevronDown, IconPin, IconPinnedOff, IconUsersGroup } from '@tabler/icons-react';
import { Link } from 'wouter';
import { fieldsOf, messageOf, restOf } from '../../api.ts';
import { formatDate, formatMoment, formatNumber, formatSoon, formatSpan, millis } from '../../format.ts';
import { useGet, useInvalidate, useSend, useSettled } from '../../queries.ts';
import { Explanation } from '../../rules/explanation.tsx';
import { fromLocalInput } from '../../rules/value-input.tsx';
import { useWords } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, GroupOfProfile, MembershipState, Page, Pin, Profile } from '../../types.ts';
import { Badge, Empty, Failed, Skeleton, Time, useNow } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Combobox } from '../../ui/combobox.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';
import { useViewParams } from '../../view-params.ts';
import { FIRST_GROUPS } from './summary.tsx';

/** Each asks for its own reasons, so that not all of them are shown at once. */
const MAX_SHOWN = 100;

export function ProfileGroups({ profile }: { profile: Profile }) {
  const application = useApplication();
  const [params, set] = useViewParams();
  const asked = params.get('why');
  const [shown, setShown] = useState(FIRST_GROUPS);
  const groups = useGet<Page<GroupOfProfile>>(
    application.path(`profiles/${profile.id}/profile-groups/`),
    { page_size: shown },
    { every: 10_000 },
  );
  const [pinning, setPinning] = useState<Pinning | undefined>(undefined);
  const rows = groups.data?.results;
  const other = asked !== null && rows !== undefined && !rows.some((row) => row.group_id === asked) ? asked : undefined;
  const ask = (id: string | undefined): void => set({ why: id ?? '' });
  return (
    <section className="card" aria-labelledby="groups-heading">
      <div className="card-head">
        <h2 id="groups-heading">Groups</h2>
        <GroupPicker onChoose={ask} />
      </div>
      {groups.isError && !rows ? (
        <Failed error={groups.error} retry={() => void groups.refetch()} />
      ) : rows ? (
        <ul className="memberships">
          {other !== undefined && (
            <MembershipItem
              key={other}
              groupId={other}
              profile={profile}
              open
              onPin={setPinning}
              onToggle={(open) => !open && ask(undefined)}
            />
          )}
          {rows.map((row) => (
            <MembershipItem
              key={row.group_id}
              groupId={row.group_id}
              name={row.group_name}
              profile={profile}
              open={asked === row.group_id}
              onPin={setPinning}
              onToggle={(open) => (open ? ask(row.group_id) : asked === row.group_id && ask(undefined))}
            />
          ))}
          {rows.length === 0 && other === undefined && (
            <li>
              <Empty icon={<IconUsersGroup size={30} aria-hidden />} title="In no group">
                Choose a group above to see which part of its rule does not hold for this profile.
              </Empty>
            </li>
          )}
          {groups.data?.next && shown < MAX_SHOWN && (
            <li className="pad">
              <Button small onClick={() => setShown(MAX_SHOWN)}>
                Show more of {formatNumber(groups.data.count ?? MAX_SHOWN)}
              </Button>
            </li>
          )}
          {shown === MAX_SHOWN && groups.data && groups.data.count !== null && groups.data.count > MAX_SHOWN && (
            <li className="pad muted">
              The newest {MAX_SHOWN} of {formatNumber(groups.data.count)} are shown. Choose any other above.
            </li>
          )}
        </ul>
      ) : (
        <div className="pad">
          <Skeleton width="60%" />
        </div>
      )}
      {/* Here rather than in its row, which a poll may take away. */}
      {pinning && <PinDialog {...pinning} profile={profile} onClose={() => setPinning(undefined)} />}
    </section>
  );
}

/** Why is it, or is it not, in this one? */
function GroupPicker({ onChoose }: { onChoose: (id: string) => void }) {
  const { path } = useApplication();
  const [search, setSearch] = useState<string | undefined>(undefined);
  const settled = useSettled(search, 200);
  const found = useGet<Page<Group>>(settled === undefined ? null : path('profile-groups/'), {
    name: settled ?? '',
    count: false,
  });
  return (
    <div className="picker">
      <Combobox
        label="Why is it in a group, or why not?"
        value=""
        fallback=""
        placeholder="Why not in…"
        options={(found.data?.results ?? []).map((group) => ({ value: group.id, label: group.name }))}
        onSearch={setSearch}
        onChange={onChoose}
      />
    </div>
  );
}

interface MembershipItemProps {
  groupId: string;
  name?: string;
  profile: Profile;
  open: boolean;
  onPin: (pinning: Pinning) => void;
  onToggle: (open: boolean) => void;
}

interface Pinning {
  group: Group;
  initial: Pin['pin'];
}

/** Whether its membership is not yet what pin and rule say: evaluation is on its way, within a second as a rule. */
function isPending(state: MembershipState | undefined, group: Group | undefined): boolean {
  if (!state || group?.membership_type === 'static') return false;
  if (state.pin) return (state.pin.pin === 'in') !== state.is_member;
  const isLive = group?.evaluation?.state === 'live';
  return isLive && state.explanation !== null && state.explanation.result !== state.is_member;
}

function MembershipItem({ groupId, name, profile, open, onPin, onToggle }: MembershipItemProps) {
  const { path, href } = useApplication();
  const now = useNow(10_000);
  const group = useGet<Group>(
    open || name === undefined ? path(`profile-groups/${groupId}/`) : null,
    {},
    { every: open && 10_000 },
  );
  const membership = useGet<MembershipState>(
    path(`profile-groups/${groupId}/members/${profile.id}/`),
    {},
    { every: (state) => (isPending(state, group.data) ? 1_000 : open ? 5_000 : 30_000) },
  );
  const state = membership.data;
  const pending = isPending(state, group.data);
  // What comes next is said of the membership that is on its way, so it waits for that.
  const next = pending ? null : (state?.next_change_at ?? null);
  const id = `why-${groupId}`;
  return (
    <li className="membership">
      <div className="membership-head">
        <button
          type="button"
          className="disclosure"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => onToggle(!open)}
        >
          <IconChevronDown size={16} aria-hidden />
          <span className="visually-hidden">Why: </span>
          <span>
            <strong className="name">
              <bdi>{group.data?.name ?? name ?? groupId}</bdi>
            </strong>
            <span className="membership-span muted small">
              {state?.is_member && state.since !== null && `since ${formatDate(state.since)}`}
              {next !== null && state && (
                <span className="numeric" title={next}>
                  {state.is_member ? ' · until ' : 'from '}
                  {formatSoon(next)}
                </span>
              )}
            </span>
          </span>
        </button>
        <span className="row wrap membership-state">
          {state?.pin && (
            <Badge
              tone="warn"
              title={`${state.pin.reason}${state.pin.expires_at ? ` Until ${formatMoment(state.pin.expires_at)}.` : ''}`}
            >
              <IconPin size={12} aria-hidden /> Pinned {state.pin.pin}
            </Badge>
          )}
          {next !== null && state && (
            <span className="muted small numeric" title={next}>
              {state.is_member ? 'leaves' : 'enters'} in {formatSpan(millis(next) - now)}
            </span>
          )}
          {pending && (
            <Badge tone="info" title="The membership is being worked out anew.">
              Updating…
            </Badge>
          )}
          {state ? (
            state.is_member ? (
              <Badge tone="good">Member</Badge>
            ) : (
              <Badge>Not a member</Badge>
            )
          ) : (
            <Skeleton width={60} />
          )}
        </span>
      </div>
      {open && (
        <div id={id} className="membership-body stack">
          {membership.isError && !state ? (
            <Failed error={membership.error} />
          ) : !state || !group.data ? (
            <Skeleton width="70%" />
          ) : (
            <>
              <p className="muted small">
                {state.is_member && state.since ? (
                  <>
                    Member since <Time at={state.since} />.{' '}
                  </>
                ) : null}
                {group.data.membership_type === 'static'
                  ? 'This is a static group: somebody put the profile in.'
                  : null}{' '}
                <Link href={href(`groups/${groupId}`)}>Open the group</Link>
              </p>
              {state.pin && (
                <p>
                  Pinned <strong>{state.pin.pin}</strong>, over the rule
                  {state.pin.expires_at ? ` until ${formatMoment(state.pin.expires_at)}` : ''}:{' '}
                  <bdi className="name">{state.pin.reason}</bdi>
                </p>
              )}
              {state.explanation && <Why group={group.data} state={state} />}
              {group.data.membership_type === 'dynamic' && (
                <PinControls group={group.data} profile={profile} state={state} onPin={onPin} />
              )}
            </>
          )}
        </div>
      )}
    </li>
  );
}

function Why({ group, state }: { group: Group; state: MembershipState }) {
  const words = useWords(group.ruleset?.rule_tree);
  return state.explanation ? <Explanation explanation={state.explanation} words={words} /> : null;
}

interface PinControlsProps {
  group: Group;
  profile: Profile;
  state: MembershipState;
  onPin: (pinning: Pinning) => void;
}

function useAfterPin(group: Group, profile: Profile): () => Promise<void> {
  const { path } = useApplication();
  const invalidate = useInvalidate();
  return () => invalidate(path(`profile-groups/${group.id}/`), path(`profiles/${profile.id}/`));
}

function PinControls({ group, profile, state, onPin }: PinControlsProps) {
  const { path, canWrite } = useApplication();
  const { client } = useSession();
  const refresh = useAfterPin(group, profile);
  if (!canWrite) return null;
  const address = path(`profile-groups/${group.id}/pins/${profile.id}/`);
  const unpin = (): void => {
    const before = state.pin;
    client
      .request(address, { method: 'DELETE' })
      .then(refresh)
      .then(
        () =>
          toast(
            'The rule decides again.',
            before
              ? () =>
                  client
                    .request(address, {
                      method: 'PUT',
                      body: { pin: before.pin, reason: before.reason, expires_at: before.expires_at },
                    })
                    .then(refresh)
              : undefined,
          ),
        (error: unknown) => toast(messageOf(error)),
      );
  };
  return (
    <div className="row wrap">
      {state.pin ? (
        <Button small icon={<IconPinnedOff size={15} aria-hidden />} onClick={unpin}>
          Let the rule decide
        </Button>
      ) : (
        <>
          <Button small icon={<IconPin size={15} aria-hidden />} onClick={() => onPin({ group, initial: 'in' })}>
            Pin in…
          </Button>
          <Button small icon={<IconPin size={15} aria-hidden />} onClick={() => onPin({ group, initial: 'out' })}>
            Pin out…
          </Button>
        </>
      )}
    </div>
  );
}

interface PinDialogProps extends Pinning {
  profile: Profile;
  onClose: () => void;
}

function PinDialog({ initial, group, profile, onClose }: PinDialogProps) {
  const { client } = useSession();
  const { path } = useApplication();
  const address = path(`profile-groups/${group.id}/pins/${profile.id}/`);
  const onDone = useAfterPin(group, profile);
  const [pin, setPin] = useState(initial);
  const [reason, setReason] = useState('');
  const [expires, setExpires] = useState('');
  const save = useSend<undefined>((sender) =>
    sender.request(address, { method: 'PUT', body: { pin, reason, expires_at: fromLocalInput(expires) ?? null } }),
  );
  const errors = fieldsOf(save.error);
  const rest = restOf(save.error, ['pin', 'reason', 'expires_at']);
  const submit = (): void =>
    save.mutate(undefined, {
      onSuccess: () => {
        toast(`Pinned ${pin}.`, () => client.request(address, { method: 'DELETE' }).then(onDone));
        onClose();
        void onDone();
      },
    });
  return (
    <Dialog
      title={`Pin “${profile.nickname}”`}
      onClose={onClose}
      onSubmit={submit}
      action={`Pin ${pin}`}
      busy={save.isPending}
      problem={rest}
    >
      <p className="muted name">A pin stands over the rule of “{group.name}”, whatever the profile does.</p>
      <Choices
        label="Pin"
        value={pin}
        onChange={setPin}
        choices={[
          { value: 'in', label: 'In: always a member' },
          { value: 'out', label: 'Out: never a member' },
        ]}
      />
      <TextField
        label="Reason"
        hint="For whoever wonders later."
        value={reason}
        errors={errors['reason']}
        autoFocus
        onChange={(event) => setReason(event.target.value)}
      />
      <TextField
        label="Until"
        type="datetime-local"
        hint="Optional. Your time zone. Empty: until you take it away."
        value={expires}
        errors={errors['expires_at']}
        onChange={(event) => setExpires(event.target.value)}
      />
    </Dialog>
  );
}
