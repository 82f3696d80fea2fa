// A connection that somebody holds, as stores take the database.

import type pg from 'pg';
import type { Queryable } from './database.ts';

export function onClient(client: pg.ClientBase, isDistributed = false): Queryable {
  return {
    isDistributed,
    async query<Row>(statement: { text: string; values: unknown[] }) {
      const result = await inTurn(client, () => client.query(statement.text, statement.values));
      return { rows: result.rows as Row[], count: result.rowCount ?? 0 }; // the caller names the columns it selected
    },
  };
}

const lastOf = new WeakMap<pg.ClientBase, Promise<unknown>>();

/** A connection that is not pipelined takes a statement when the one before has been answered; the driver will not wait for us. */
function inTurn<T>(client: pg.ClientBase, send: () => Promise<T>): Promise<T> {
  const sent = (lastOf.get(client) ?? Promise.resolve()).then(send);
  lastOf.set(
    client,
    sent.catch(() => {}),
  );
  return sent;
}
