import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';
import type { ChangeCause } from '../membership/membership.ts';

export interface Change {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: Instant;
  cause: ChangeCause;
  epoch: number;
  /** It came with the switch to its epoch, all at once with others. */
  is_of_switch: boolean;
}

/** The changes after a sequence, upwards. What a switch prepares has no epoch yet, so it is not among them. */
export async function listChanges(
  tx: Queryable,
  groupId: string,
  epoch: number,
  after: number,
  limit: number,
): Promise<Change[]> {
  const { rows } = await tx.query<Change>(sql`
    with start as (
      select epoch, base_sequence from group_epochs where group_id = ${groupId} and base_sequence <= ${after}::bigint order by base_sequence desc, epoch desc limit 1)
    select e.base_sequence + c.number as sequence, c.change, c.profile_id, coalesce(c.at, e.switched_at) as at, c.cause,
      c.epoch, c.at is null as is_of_switch
    from (
      select epoch, number, change, profile_id, at, cause from changes
      where group_id = ${groupId} and epoch <= ${epoch}
        and (epoch, number) > ((select epoch from start), (select ${after}::bigint - base_sequence from start))
      order by epoch, number limit ${limit}) c
    join group_epochs e on e.group_id = ${groupId} and e.epoch = c.epoch
    order by c.epoch, c.number`);
  return rows;
}

export interface SwitchSummary {
  entered: number;
  left: number;
  /** The sequence of the last one. */
  last: number;
}

/** How many entered and left with the switch to an epoch, after a sequence. They are the first of their epoch. */
export async function summarizeSwitch(
  db: Queryable,
  groupId: string,
  epoch: number,
  after: number,
): Promise<SwitchSummary> {
  const { rows } = await db.query<SwitchSummary>(sql`
    with start as (select base_sequence from group_epochs where group_id = ${groupId} and epoch = ${epoch}),
    ending as (
      select number from changes where group_id = ${groupId} and epoch = ${epoch} and at is not null order by number limit 1)
    select count(*) filter (where change = 'entered') as entered, count(*) filter (where change = 'left') as "left",
      (select base_sequence from start) + max(number) as last
    from changes
    where group_id = ${groupId} and epoch = ${epoch} and number > (select ${after}::bigint - base_sequence from start)
      and number < coalesce((select number from ending), ${Number.MAX_SAFE_INTEGER}::bigint)`);
  return rows[0] ?? { entered: 0, left: 0, last: after };
}

export interface SizeStep {
  at: Instant;
  entered: number;
  left: number;
}

/** Entries and leaves of groups by hour or day (UTC) from an instant to now; steps without any are left out. */
export async function listSizeSteps(
  tx: Queryable,
  groupIds: string[],
  interval: 'hour' | 'day',
  since: string,
): Promise<(SizeStep & { group_id: string })[]> {
  const { rows } = await tx.query<SizeStep & { group_id: string }>(sql`
    select group_id, date_trunc(${interval}::text, hour, 'UTC') as at, sum(entered)::bigint as entered, sum("left")::bigint as left
    from group_sizes where group_id = any (${groupIds}::uuid[]) and hour >= ${since}::timestamptz
    group by 1, 2`);
  return rows;
}

export interface FlowStep extends SizeStep {
  /** Null of what happened before causes were counted. */
  cause: ChangeCause | null;
}

/**
 * Entries and leaves of a group by hour or day (UTC) and cause; those without any are left out. What the sizes have beyond
 * the causes has none.
 */
export async function listFlow(
  tx: Queryable,
  groupId: string,
  interval: 'hour' | 'day',
  since: string,
  until: string,
): Promise<FlowStep[]> {
  const { rows } = await tx.query<FlowStep>(sql`
    with known as (
      select date_trunc(${interval}::text, hour, 'UTC') as at, cause, sum(entered) as entered, sum("left") as "left"
      from group_flows where group_id = ${groupId} and hour >= ${since}::timestamptz and hour < ${until}::timestamptz group by 1, 2),
    sizes as (
      select date_trunc(${interval}::text, hour, 'UTC') as at, sum(entered) as entered, sum("left") as "left"
      from group_sizes where group_id = ${groupId} and hour >= ${since}::timestamptz and hour < ${until}::timestamptz group by 1),
    rest as (
      select s.at, null::text as cause, s.entered - coalesce(sum(k.entered), 0) as entered, s."left" - coalesce(sum(k."left"), 0) as "left"
      from sizes s left join known k on k.at = s.at group by s.at, s.entered, s."left")
    select at, cause, entered::bigint as entered, "left"::bigint as "left" from (
      select * from known union all select * from rest where entered > 0 or "left" > 0) f
    order by at, cause nulls first`);
  return rows;
}
