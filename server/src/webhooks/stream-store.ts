import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Progress, Stream } from './stream.ts';

interface Row {
  webhook_id: string;
  stream: string;
  position: number;
  pending_id: string | null;
  pending_event: string;
  pending_first: number;
  pending_last: number;
  pending_at: Instant;
  attempts: number;
  next_attempt_at: Instant | null;
}

const COLUMNS = sql`webhook_id, stream, position, pending_id, pending_event, pending_first, pending_last, pending_at, attempts, next_attempt_at`;

const toStream = (row: Row): Stream => ({
  webhookId: row.webhook_id,
  stream: row.stream,
  position: row.position,
  pending:
    row.pending_id === null
      ? null
      : {
          id: row.pending_id,
          event: row.pending_event,
          first: row.pending_first,
          last: row.pending_last,
          at: row.pending_at,
        },
  attempts: row.attempts,
  nextAttemptAt: row.next_attempt_at,
});

export async function listStreams(db: Queryable, webhookIds: readonly string[]): Promise<Stream[]> {
  const { rows } = await db.query<Row>(
    sql`select ${COLUMNS} from webhook_streams where webhook_id = any (${webhookIds}::uuid[])`,
  );
  return rows.map(toStream);
}

/** The stream that a message belongs to, while it is on its way or waits. */
export async function findStreamOf(db: Queryable, webhookId: string, pendingId: string): Promise<Stream | undefined> {
  const { rows } = await db.query<Row>(
    sql`select ${COLUMNS} from webhook_streams where webhook_id = ${webhookId} and pending_id = ${pendingId}`,
  );
  return rows[0] && toStream(rows[0]);
}

/** Streams that have no row yet. */
export async function insertStreams(
  tx: Queryable,
  streams: readonly { webhookId: string; stream: string; position: number }[],
): Promise<void> {
  if (streams.length === 0) return;
  await tx.query(sql`
    insert into webhook_streams (webhook_id, stream, position)
    select * from unnest(${streams.map((each) => each.webhookId)}::uuid[], ${streams.map((each) => each.stream)}::text[],
      ${streams.map((each) => each.position)}::bigint[])
    on conflict do nothing`);
}

export interface Move {
  webhookId: string;
  stream: string;
  from: { position: number; pendingId: string | null };
  to: Progress;
}

/** Moves the streams that still stand where they are said to, and returns those: whoever else moved one was first. */
export async function moveStreams(tx: Queryable, moves: readonly Move[]): Promise<Set<string>> {
  if (moves.length === 0) return new Set();
  const { rows } = await tx.query<{ webhook_id: string; stream: string }>(sql`
    update webhook_streams s set position = m.position, pending_id = m.pending_id, pending_event = m.pending_event, pending_first = m.pending_first,
      pending_last = m.pending_last, pending_at = m.pending_at, attempts = m.attempts, next_attempt_at = m.next_attempt_at
    from unnest(${moves.map((move) => move.webhookId)}::uuid[], ${moves.map((move) => move.stream)}::text[],
      ${moves.map((move) => move.from.position)}::bigint[], ${moves.map((move) => move.from.pendingId)}::uuid[],
      ${moves.map((move) => move.to.position)}::bigint[], ${moves.map((move) => move.to.pending?.id ?? null)}::uuid[],
      ${moves.map((move) => move.to.pending?.event ?? null)}::text[], ${moves.map((move) => move.to.pending?.first ?? null)}::bigint[],
      ${moves.map((move) => move.to.pending?.last ?? null)}::bigint[], ${moves.map((move) => instant(move.to.pending?.at))}::timestamptz[],
      ${moves.map((move) => move.to.attempts)}::int[], ${moves.map((move) => instant(move.to.nextAttemptAt))}::timestamptz[])
      as m (webhook_id, stream, from_position, from_pending, position, pending_id, pending_event, pending_first, pending_last, pending_at,
        attempts, next_attempt_at)
    where s.webhook_id = m.webhook_id and s.stream = m.stream and s.position = m.from_position
      and s.pending_id is not distinct from m.from_pending
    returning s.webhook_id, s.stream`);
  return new Set(rows.map((row) => `${row.webhook_id} ${row.stream}`));
}

const instant = (at: Instant | null | undefined): string | null => (at == null ? null : formatInstant(at));

/** Sets positions, whatever was pending: what is sent next begins there. */
export async function setPositions(
  tx: Queryable,
  webhookId: string,
  positions: ReadonlyMap<string, number>,
): Promise<void> {
  await tx.query(sql`
    insert into webhook_streams (webhook_id, stream, position)
    select ${webhookId}::uuid, * from unnest(${[...positions.keys()]}::text[], ${[...positions.values()]}::bigint[])
    on conflict (webhook_id, stream) do update set position = excluded.position, pending_id = null, pending_event = null, pending_first = null,
      pending_last = null, pending_at = null, attempts = 0, next_attempt_at = null`);
}

/** What waits to be tried again is due now. */
export async function makeDue(tx: Queryable, webhookId: string): Promise<void> {
  await tx.query(
    sql`update webhook_streams set attempts = 0, next_attempt_at = null where webhook_id = ${webhookId} and pending_id is not null`,
  );
}

export async function makeMessageDue(tx: Queryable, webhookId: string, pendingId: string): Promise<void> {
  await tx.query(
    sql`update webhook_streams set next_attempt_at = null where webhook_id = ${webhookId} and pending_id = ${pendingId}`,
  );
}

export async function deleteStreams(
  tx: Queryable,
  streams: readonly { webhookId: string; stream: string }[],
): Promise<void> {
  if (streams.length === 0) return;
  await tx.query(sql`
    delete from webhook_streams s
    using unnest(${streams.map((each) => each.webhookId)}::uuid[], ${streams.map((each) => each.stream)}::text[]) as d (webhook_id, stream)
    where s.webhook_id = d.webhook_id and s.stream = d.stream`);
}

/** Of each webhook, when the first thing happened of what it was sent and has not taken. */
export async function findOldestUndelivered(
  db: Queryable,
  webhookIds: readonly string[],
): Promise<Map<string, Instant>> {
  const { rows } = await db.query<{ webhook_id: string; at: Instant }>(sql`
    select webhook_id, min(pending_at) as at from webhook_streams
    where webhook_id = any (${webhookIds}::uuid[]) and pending_id is not null group by webhook_id`);
  return new Map(rows.map((row) => [row.webhook_id, row.at]));
}
