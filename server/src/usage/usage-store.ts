import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';

export interface Burst {
  at: Instant;
  network: Buffer;
  profiles: number;
  without_activity: number;
}

/** Networks from which at least `least` profiles were made within an hour (UTC), the largest first. */
export async function listBursts(
  db: Queryable,
  applicationId: number,
  since: Instant,
  least: number,
  limit: number,
): Promise<Burst[]> {
  const { rows } = await db.query<Burst>(sql`
    select date_trunc('hour', created_at, 'UTC') as at, network, count(*) as profiles, count(*) filter (where not has_activities) as without_activity
    from profiles
    where application_id = ${applicationId} and network is not null and created_at >= ${formatInstant(since)}::timestamptz
    group by 1, 2 having count(*) >= ${least}
    order by count(*) desc, 1 desc, 2 limit ${limit}`);
  return rows;
}

/** By day: how many calls to make a profile were answered with one that there was (profiles/device-keys.ts). */
export async function listRecovered(
  db: Queryable,
  applicationId: number,
  since: Instant,
): Promise<Map<Instant, number>> {
  const { rows } = await db.query<{ day: Instant; recovered: number }>(sql`
    select day, recovered from creation_days where application_id = ${applicationId} and day >= ${formatInstant(since)}::timestamptz`);
  return new Map(rows.map((row) => [row.day, row.recovered]));
}
