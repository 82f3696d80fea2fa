// A database whose user dies between two statements: what was committed stays, what was open is rolled back, and nothing
// that it does afterwards reaches the tables.

import type { Database, Queryable } from '../../database/database.ts';

export class Killed extends Error {}

export interface Mortal {
  db: Database;
  isDead(): boolean;
}

/** Dies at the given statement or commit; Infinity: lives. */
export function mortal(real: Database, statements: number): Mortal {
  let left = statements;
  const live = (): void => {
    if (--left < 0) throw new Killed('killed');
  };
  const watch = (queryable: Queryable): Queryable => ({
    isDistributed: real.isDistributed === true,
    async query(statement) {
      live();
      return queryable.query(statement);
    },
  });
  const db: Database = {
    ...real,
    query: watch(real).query,
    quick: watch({ query: real.quick }).query,
    async transaction(work, options) {
      live();
      const result = await real.transaction((tx) => work(watch(tx)), options);
      live(); // committed, but the caller never hears of it
      return result;
    },
    async withClient(work, isolation) {
      live();
      return real.withClient(work, isolation);
    },
  };
  return { db, isDead: () => left < 0 };
}
