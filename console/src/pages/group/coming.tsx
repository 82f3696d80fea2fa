// Who is about to enter and leave if nothing else happens: windows end, days pass, pins expire.

import { useState } from 'react';
import { IconArrowDownLeft, IconArrowUpRight } from '@tabler/icons-react';
import type { ComingChanges, ComingSide } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { formatNumber, formatSoon, formatSpan, millis } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Failed, Skeleton, useNow } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Choices } from '../../ui/field.tsx';

type Hours = '24' | '168';
const SHOWN = 5;

export function GroupComing({ group }: { group: Group }) {
  const { path } = useApplication();
  const [hours, setHours] = useState<Hours>('24');
  const isLive = group.evaluation?.state === 'live';
  const coming = useGet<ComingChanges>(
    isLive ? path(`profile-groups/${group.id}/coming/`) : null,
    { hours },
    { every: 60_000 },
  );
  if (!isLive) return null;
  return (
    <section className="card" aria-labelledby="coming-heading">
      <div className="card-head">
        <h2 id="coming-heading">About to happen</h2>
        <Choices<Hours>
          label="Within"
          value={hours}
          onChange={setHours}
          choices={[
            { value: '24', label: '24 hours' },
            { value: '168', label: '7 days' },
          ]}
        />
      </div>
      {coming.isError && !coming.data ? (
        <Failed error={coming.error} retry={() => void coming.refetch()} />
      ) : (
        <div className="coming" aria-busy={coming.isFetching}>
          <Side name="Leave" side={coming.data?.leaving} />
          <Side name="Enter" side={coming.data?.entering} />
        </div>
      )}
    </section>
  );
}

function Side({ name, side }: { name: string; side: ComingSide | undefined }) {
  const { href } = useApplication();
  const now = useNow(10_000);
  const [all, setAll] = useState(false);
  const rows = all ? side?.results : side?.results.slice(0, SHOWN);
  return (
    <div role="group" aria-label={name}>
      <h3 className="row">
        {name === 'Leave' ? <IconArrowUpRight size={15} aria-hidden /> : <IconArrowDownLeft size={15} aria-hidden />}
        {side ? (
          <span>
            <strong className="numeric">{side.count === 0 ? 'Nobody' : formatNumber(side.count)}</strong>{' '}
            {name === 'Leave' ? (side.count > 1 ? 'leave' : 'leaves') : side.count > 1 ? 'enter' : 'enters'}
          </span>
        ) : (
          <Skeleton width={90} />
        )}
      </h3>
      <ul>
        {rows?.map((row) => (
          <li key={row.profile_id}>
            <Link href={href(`profiles/${row.profile_id}`)} className="name truncate">
              <bdi>{row.nickname}</bdi>
            </Link>
            <span className="muted small numeric" title={formatSoon(row.at)}>
              {millis(row.at) <= now ? 'any moment' : `in ${formatSpan(millis(row.at) - now)}`}
            </span>
          </li>
        ))}
      </ul>
      {side && !all && side.results.length > SHOWN && (
        <Button small look="quiet" onClick={() => setAll(true)}>
          Show {formatNumber(side.results.length - SHOWN)} more
        </Button>
      )}
      {side && all && side.count > side.results.length && (
        <p className="muted small">These are the soonest of {formatNumber(side.count)}.</p>
      )}
    </div>
  );
}
