import { sql, type Queryable } from '../database/database.ts';

export interface DeviceKey {
  profile_id: string;
  token_id: string;
}

export async function findDeviceKey(
  db: Queryable,
  applicationId: number,
  hash: Buffer,
): Promise<DeviceKey | undefined> {
  const { rows } = await db.query<DeviceKey>(sql`
    select profile_id, token_id from device_keys where key_hash = ${hash} and application_id = ${applicationId}`);
  return rows[0];
}

/** One profile fewer than there were requests to make one. */
export async function countRecovered(db: Queryable, applicationId: number, day: string): Promise<void> {
  await db.query(sql`
    insert into creation_days (application_id, day, recovered) values (${applicationId}, ${day}, 1)
    on conflict (application_id, day) do update set recovered = creation_days.recovered + 1`);
}
