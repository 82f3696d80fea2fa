// Locks on the rows of many profiles, taken in the order of their ids: so transactions that meet wait for each other
// instead of ending in a deadlock. A cluster neither can nor needs to: its selects lock rows of one shard only, and of the
// statements that change rows of several shards it lets one at a time touch each shard. What relies on a row as it was
// read says so again in the statement that changes it.

import { empty, type Queryable, type Sql } from './database.ts';

/** `clause` (`for update of m`), where it is possible. */
export const rowLocks = (db: Queryable, clause: Sql): Sql => (db.isDistributed === true ? empty : clause);
