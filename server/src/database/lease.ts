// A lease by name, for work that one process at a time does. A holder that dies is replaced when it expires.

import { newId } from '../ids.ts';
import { sql, type Queryable } from './database.ts';

export interface Lease {
  /** Takes or renews it; false where another process has it. */
  hold(): Promise<boolean>;
  release(): Promise<void>;
}

export function createLease(db: Queryable, name: string, seconds: number): Lease {
  const holder = newId();
  return {
    async hold() {
      await db.query(sql`insert into leases (name) values (${name}) on conflict do nothing`);
      const { count } = await db.query(sql`
        update leases set fence = fence + case when holder = ${holder}::uuid then 0 else 1 end, holder = ${holder}::uuid,
          expires_at = clock_timestamp() + make_interval(secs => ${seconds})
        where name = ${name} and (holder is null or holder = ${holder}::uuid or expires_at < clock_timestamp())`);
      return count === 1;
    },
    async release() {
      await db.query(sql`update leases set holder = null where name = ${name} and holder = ${holder}::uuid`);
    },
  };
}
