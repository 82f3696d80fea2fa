// What a fan did, newest first, day by day: a sentence each, and everything that was sent with it on demand.

import { useId, useState } from 'react';
import { IconChevronDown, IconTrash } from '@tabler/icons-react';
import { formatClock, formatDay, formatMoment } from '../../format.ts';
import { useApplication } from '../../session.tsx';
import type { Activity } from '../../types.ts';
import { Skeleton, useNow } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { sentenceOf } from './sentences.ts';

interface TimelineProps {
  /** Undefined while they load. */
  rows: Activity[] | undefined;
  labelOf: (type: string) => string;
  onRemove: (row: Activity) => void;
}

export function Timeline({ rows, labelOf, onRemove }: TimelineProps) {
  const now = useNow(60_000);
  if (!rows) {
    return (
      <ol className="timeline" aria-hidden>
        {Array.from({ length: 6 }, (_, row) => (
          <li key={row} className="timeline-loading">
            <Skeleton width={`${38 + ((row * 17) % 30)}%`} />
          </li>
        ))}
      </ol>
    );
  }
  return daysOf(rows, now).map(([day, activities]) => (
    <section key={day} className="timeline-day" aria-label={day}>
      <h3>{day}</h3>
      <ol className="timeline">
        {activities.map((row) => (
          <Moment key={`${row.sent_by} ${row.id}`} row={row} label={labelOf(row.type)} onRemove={onRemove} />
        ))}
      </ol>
    </section>
  ));
}

/** By days of the viewer, in the order of the rows. */
function daysOf(rows: Activity[], now: number): [day: string, rows: Activity[]][] {
  const found = new Map<string, Activity[]>();
  for (const row of rows) {
    const day = formatDay(row.occurred_at, now);
    const known = found.get(day);
    if (known) known.push(row);
    else found.set(day, [row]);
  }
  return [...found];
}

function Moment({ row, label, onRemove }: { row: Activity; label: string; onRemove: (row: Activity) => void }) {
  const { canWrite } = useApplication();
  const [open, setOpen] = useState(false);
  const id = useId();
  const { text, beside } = sentenceOf(row, label);
  return (
    <li>
      <button
        type="button"
        className="moment"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        <time dateTime={row.occurred_at} title={formatMoment(row.occurred_at)} className="numeric">
          {formatClock(row.occurred_at)}
        </time>
        <span className="moment-text">
          <bdi>{text}</bdi>
          {beside.map((part) => (
            <span key={part} className="muted">
              {' · '}
              <bdi>{part}</bdi>
            </span>
          ))}
        </span>
        <IconChevronDown size={15} aria-hidden />
      </button>
      {open && (
        <div className="moment-body" id={id}>
          <dl className="facts small">
            <dt>Type</dt>
            <dd>
              {label} <code className="muted">{row.type}</code>
            </dd>
            <dt>Value</dt>
            <dd className="numeric">{row.value}</dd>
            <dt>Happened</dt>
            <dd className="numeric">{row.occurred_at}</dd>
            <dt>Received</dt>
            <dd className="numeric">{row.received_at}</dd>
            <dt>Sent by</dt>
            <dd>{row.sent_by === 'profile' ? 'the fan’s app' : 'your systems'}</dd>
            <dt>Id</dt>
            <dd>
              <code>{row.id}</code>
            </dd>
          </dl>
          {row.data && (
            <pre className="text-block small" tabIndex={0} role="region" aria-label="Data">
              {JSON.stringify(row.data, null, 2)}
            </pre>
          )}
          {canWrite && (
            <div>
              <Button small danger icon={<IconTrash size={15} aria-hidden />} onClick={() => onRemove(row)}>
                Remove this activity
              </Button>
            </div>
          )}
        </div>
      )}
    </li>
  );
}
