// What the application may grow to: shown, changed by owners, and said aloud where it is reached.

import { useState } from 'react';
import { IconAlertTriangle, IconPencil } from '@tabler/icons-react';
import type { ApplicationChange, Limits, LimitState } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { fieldsOf, restOf } from '../../api.ts';
import { formatMoment, formatNumber } from '../../format.ts';
import { useGet, useSend } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import { Badge, Failed, Skeleton } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';

type Name = 'max_mau' | 'max_profiles_per_day';

const WORDS: Record<Name, { title: string; field: string; hint: string; of: string }> = {
  max_mau: {
    title: 'Active fans within 30 days',
    field: 'Most active fans within 30 days',
    hint: 'Counted every minute. Fans who have a profile are never refused.',
    of: 'active fans within 30 days',
  },
  max_profiles_per_day: {
    title: 'New profiles a day',
    field: 'Most new profiles a day',
    hint: 'Of apps and sources, by day (UTC). What admin tokens and producers create or import is not counted.',
    of: 'new profiles today',
  },
};
const NAMES: readonly Name[] = ['max_mau', 'max_profiles_per_day'];
/** From this part on somebody should know. */
const NEAR = 0.9;

const useLimits = () => useGet<Limits>(useApplication().path('limits/'), {}, { every: 30_000 });

/** Where a limit is reached, or nearly. */
export function LimitNotice({ isElsewhere = false }: { isElsewhere?: boolean }) {
  const { href } = useApplication();
  const { data } = useLimits();
  const near = NAMES.flatMap((name) => {
    const state = data?.[name];
    return state && state.used >= state.value * NEAR ? [{ name, state }] : [];
  });
  if (near.length === 0) return null;
  const isReached = near.some(({ state }) => state.is_reached);
  return (
    <section className={`card pad notice ${isReached ? 'bad' : 'warn'}`} aria-label="Limits that need attention">
      <IconAlertTriangle size={20} aria-hidden />
      <div>
        <h2>{isReached ? 'A limit is reached' : 'A limit is nearly reached'}</h2>
        <ul>
          {near.map(({ name, state }) => (
            <li key={name}>{sentence(name, state)}</li>
          ))}
        </ul>
        {isElsewhere && <Link href={href('usage')}>See usage and limits</Link>}
      </div>
    </section>
  );
}

function sentence(name: Name, { used, value, action, is_reached: isReached, ends_at: endsAt }: LimitState): string {
  const of = `${formatNumber(used)} of ${formatNumber(value)} ${WORDS[name].of}.`;
  if (!isReached) return action === 'refuse' ? `${of} Then new profiles are refused.` : of;
  if (action === 'warn') return `${of} Nothing is refused: the limit only warns.`;
  const until = endsAt === null ? '' : ` until ${formatMoment(endsAt)}`;
  return name === 'max_mau'
    ? `${of} New profiles are refused, at least${until}.`
    : `${of} Further ones are refused${until}.`;
}

export function LimitsCard() {
  const { canManage } = useApplication();
  const limits = useLimits();
  const [changing, setChanging] = useState(false);
  return (
    <section className="card" aria-labelledby="limits-heading">
      <div className="card-head">
        <h2 id="limits-heading">Limits</h2>
        {canManage && (
          <Button
            small
            icon={<IconPencil size={15} aria-hidden />}
            disabled={!limits.data}
            onClick={() => setChanging(true)}
          >
            Change limits
          </Button>
        )}
      </div>
      <div className="pad">
        {limits.data ? (
          <dl className="facts">
            {NAMES.map((name) => (
              <State key={name} name={name} state={limits.data[name]} />
            ))}
          </dl>
        ) : limits.isError ? (
          <Failed error={limits.error} retry={() => void limits.refetch()} />
        ) : (
          <Skeleton width="60%" height={48} />
        )}
      </div>
      {changing && limits.data && <ChangeLimits limits={limits.data} onClose={() => setChanging(false)} />}
    </section>
  );
}

function State({ name, state }: { name: Name; state: LimitState | null }) {
  return (
    <>
      <dt>{WORDS[name].title}</dt>
      <dd>
        {state === null ? (
          <span className="muted">no limit</span>
        ) : (
          <span className="row wrap">
            <span className="numeric">
              {formatNumber(state.used)} of {formatNumber(state.value)}
            </span>
            <Badge>{state.action === 'refuse' ? 'then refuses' : 'then warns'}</Badge>
            {state.is_reached && <Badge tone="bad">Reached</Badge>}
            {state.refused_today > 0 && (
              <span className="muted small">{formatNumber(state.refused_today)} refused today, by all limits</span>
            )}
          </span>
        )}
      </dd>
    </>
  );
}

interface Draft {
  value: string;
  action: 'warn' | 'refuse';
}

const draftOf = (state: LimitState | null): Draft => ({
  value: state === null ? '' : String(state.value),
  action: state?.action ?? 'warn',
});

function ChangeLimits({ limits, onClose }: { limits: Limits; onClose: () => void }) {
  const { path } = useApplication();
  const [drafts, setDrafts] = useState<Record<Name, Draft>>({
    max_mau: draftOf(limits.max_mau),
    max_profiles_per_day: draftOf(limits.max_profiles_per_day),
  });
  const save = useSend<ApplicationChange>(
    (client, body) => client.request(path(''), { method: 'PATCH', body }),
    () => [path('limits/')],
  );
  const change = (name: Name, part: Partial<Draft>): void =>
    setDrafts((before) => ({ ...before, [name]: { ...before[name], ...part } }));
  const asked = ({ value, action }: Draft) => (value.trim() === '' ? null : { value: Number(value), action });
  const errors = fieldsOf(save.error);
  const fields = NAMES.flatMap((name) => [`limits.${name}.value`, `limits.${name}.action`]);
  return (
    <Dialog
      title="Change limits"
      onClose={onClose}
      action="Save the limits"
      busy={save.isPending}
      problem={restOf(save.error, fields)}
      onSubmit={() =>
        save.mutate(
          {
            limits: {
              max_mau: asked(drafts.max_mau),
              max_profiles_per_day: asked(drafts.max_profiles_per_day),
            },
          },
          {
            onSuccess: () => {
              toast('The limits are saved.');
              onClose();
            },
          },
        )
      }
    >
      {NAMES.map((name) => (
        <div className="halves" key={name}>
          <TextField
            label={WORDS[name].field}
            hint={`${WORDS[name].hint} Empty: no limit.`}
            errors={errors[`limits.${name}.value`]}
            inputMode="numeric"
            pattern="[1-9][0-9]*"
            title="A whole number from 1, or nothing"
            value={drafts[name].value}
            onChange={(event) => change(name, { value: event.target.value })}
          />
          <SelectField
            label={`Once ${name === 'max_mau' ? 'they are that many' : 'the day has that many'}`}
            errors={errors[`limits.${name}.action`]}
            value={drafts[name].action}
            onChange={(event) => change(name, { action: event.target.value as Draft['action'] })} // the options are these
          >
            <option value="warn">warn here</option>
            <option value="refuse">refuse new profiles</option>
          </SelectField>
        </div>
      ))}
    </Dialog>
  );
}
