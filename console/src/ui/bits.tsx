// Small things that every page shows: times, badges, skeletons, empty states, errors.

import { useEffect, useReducer, type ReactNode } from 'react';
import { IconAlertTriangle } from '@tabler/icons-react';
import { messageOf, ApiError } from '../api.ts';
import { formatAgo, formatMoment } from '../format.ts';
import type { Evaluation, Group } from '../types.ts';
import { Button } from './button.tsx';

/** The present, again every so often, so that "2 minutes ago" stays true. */
export function useNow(everyMs = 30_000): number {
  const [, again] = useReducer((times: number) => times + 1, 0);
  useEffect(() => {
    const timer = setInterval(again, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return Date.now(); // of this moment also where an answer came in between: what just happened is not to come
}

/** In the viewer's zone; the exact instant on hover. */
export function Time({ at, ago = false, every }: { at: string; ago?: boolean; every?: number }) {
  const now = useNow(every);
  return (
    <time dateTime={at} title={ago ? `${formatMoment(at)} · ${at}` : at} className="numeric">
      {ago ? formatAgo(at, now) : formatMoment(at)}
    </time>
  );
}

export type Tone = 'plain' | 'good' | 'info' | 'warn' | 'bad';

export function Badge({
  tone = 'plain',
  dot = false,
  title,
  children,
}: {
  tone?: Tone;
  dot?: boolean;
  title?: string | undefined;
  children: ReactNode;
}) {
  return (
    <span className={tone === 'plain' ? 'badge' : `badge ${tone}`} title={title}>
      {dot && <span className="dot" aria-hidden />}
      {children}
    </span>
  );
}

export function EvaluationBadge({
  evaluation,
  membership,
}: {
  evaluation: Evaluation | null | undefined;
  membership: Group['membership_type'];
}) {
  if (membership === 'static') return <Badge title="Members change when you change them.">Static</Badge>;
  switch (evaluation?.state) {
    case 'filling': {
      const { progress } = evaluation;
      return (
        <Badge
          tone="info"
          dot
          title="The members that the rule wants are being worked out. Until then the ones from before are served."
        >
          Filling{progress === null ? '' : ` ${Math.floor(progress * 100)} %`}
        </Badge>
      );
    }
    case 'paused':
      return (
        <Badge tone="warn" dot title="Membership is frozen until you resume it.">
          Paused
        </Badge>
      );
    case 'failed':
      return (
        <Badge tone="bad" dot title={evaluation.last_error ?? undefined}>
          Failed
        </Badge>
      );
    case 'live':
      return (
        <Badge
          tone="good"
          dot
          title={evaluation.as_of ? `Up to date as of ${formatMoment(evaluation.as_of)}` : undefined}
        >
          Live
        </Badge>
      );
    default:
      return <Badge>Dynamic</Badge>;
  }
}

export function Skeleton({ width, height }: { width: number | string; height?: number }) {
  return <span className="skeleton" style={{ width, ...(height !== undefined && { height }) }} aria-hidden />;
}

export function Empty({
  icon,
  title,
  children,
  action,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="empty">
      {icon}
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** Why something that was tried did not work; nothing while there is nothing to say. */
export function Problem({ children }: { children: string | undefined }) {
  return children ? (
    <p className="form-error" role="alert">
      {children}
    </p>
  ) : null;
}

export function Failed({ error, retry }: { error: unknown; retry?: (() => unknown) | undefined }) {
  const id = error instanceof ApiError ? (error.requestId ?? null) : null;
  return (
    <div className="empty" role="alert">
      <IconAlertTriangle size={28} aria-hidden />
      <h2>This could not be loaded</h2>
      <p>
        {messageOf(error)}
        {id && <span className="faint"> Request {id}.</span>}
      </p>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}
