// The way to PostgreSQL: a pool for transactions and slow statements, and pipelined connections for short reads.
// Statements are written with the `sql` tag, which binds every value; session.ts says how they go out on a connection.
// A database that is away or stalls surfaces as Unavailable (503), never as a hung request.

import pg from 'pg';
import sql, { Sql, join, raw, empty } from 'sql-template-tag';
import { createGate } from './gate.ts';
import { destroy, watchHealth, type Health } from './health.ts';
import { createBeforeCommit, type BeforeCommit } from './before-commit.ts';
import { isAborted, isConnectionFault, isRetryable, translate } from './faults.ts';
import { createJoining, type Joined, type Joining } from './joining.ts';
import { openPipeline } from './pipeline.ts';
import { describeSession, unnamed, type Isolation, type Session } from './session.ts';

export { sql, join, raw, empty, unnamed };
export type { Isolation, Sql };

export interface Rows<Row> {
  rows: Row[];
  count: number;
}

/** What a store takes first: the database or a transaction on it. */
export interface Queryable {
  query<Row = Record<string, unknown>>(statement: Sql): Promise<Rows<Row>>;
  /** A Citus cluster, which refuses some of what one node does well: docs/decisions/0010-statements-on-citus.md. */
  readonly isDistributed?: boolean;
}

export interface Database extends Queryable {
  /** A short statement that reads a few rows by key. It shares a pipelined connection: a slow one holds up the rest. */
  quick<Row = Record<string, unknown>>(statement: Sql): Promise<Rows<Row>>;
  /** Part of the outer transaction inside `together`, unless it is a `repeatable read` one: those are for reading. */
  transaction<T>(work: (tx: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** As query, but inside `together` part of its transaction: for single statements that write, and to read what was written. */
  readonly own: Queryable;
  /** One transaction around work that knows nothing of it (joining.ts), in the share of whom it is of: an application. */
  together<T>(work: (tx: Queryable) => Promise<T>, of?: string): Promise<T>;
  /**
   * Whether the caller is inside `together`: what it has written is not visible yet. If so, the work given is done as
   * soon as it is committed.
   */
  isTogether(afterwards?: () => Promise<unknown>): boolean;
  /** Inside `together`: work that commits by itself, since others rely on it at once. */
  apart<T>(work: () => Promise<T>): Promise<T>;
  /** What the first transaction that the work commits is to write as its last statement (before-commit.ts). */
  beforeCommit<T>(write: (tx: Queryable) => Promise<unknown>, work: () => Promise<T>): Promise<T>;
  /** Work that only reads, in the same transaction as everything else: what `beforeCommit` waits for is not that. */
  reading<T>(work: () => Promise<T>): Promise<T>;
  /** A connection of its own in a read-only transaction, not pipelined and without a time limit: for COPY, cursors, long reads. */
  withClient<T>(work: (client: pg.PoolClient) => Promise<T>, isolation?: Isolation): Promise<T>;
  /** Reads of any length, each a transaction by itself. */
  readonly reads: Queryable;
  /**
   * Calls back when a connection broke, and when the database is back: a standby may have taken over that lacks what this one
   * did last, so what was read before may be of a past that never was.
   */
  onBroken(forget: () => void): void;
  readonly pool: pg.Pool;
  readonly url: string;
  close(): Promise<void>;
}

export interface TransactionOptions {
  isolation?: Isolation;
  /** How often a serialisation failure or deadlock is tried again. */
  retries?: number;
}

export interface DatabaseOptions {
  url: string;
  poolSize: number;
  /** Shown in pg_stat_activity; the drains of `database/drain.ts` look for it. */
  name: string;
  connectTimeoutMs?: number;
  statementTimeoutMs?: number;
  pipelines?: number;
  /** Long reads at once. Default: 4. */
  readers?: number;
  isDistributed?: boolean;
  /** Behind a pooler: nothing may outlive a transaction (session.ts). */
  isPooled?: boolean;
  onError?: (error: Error) => void;
}

/**
 * For a transaction on a cluster that may end with a change of a reference table, such as the version of definitions: it is
 * refused after statements that ran on several connections to one node.
 */
export const SEQUENTIALLY = sql`set local citus.multi_shard_modify_mode to 'sequential'`;

/** Connections that `together` leaves alone. */
const SPARE = 2;

export function openDatabase(options: DatabaseOptions): Database {
  const statementTimeout = options.statementTimeoutMs ?? 15_000;
  const isDistributed = options.isDistributed ?? false;
  const connectTimeout = options.connectTimeoutMs ?? 5_000;
  const isPooled = options.isPooled ?? false;
  const described = { url: options.url, isPooled, connectTimeoutMs: connectTimeout };
  const session = describeSession({ ...described, name: options.name, statementTimeoutMs: statementTimeout });
  const { settings } = session;
  // By its name drains (drain.ts) know that nothing is written here, and do not wait for a long read.
  const streaming = describeSession({ ...described, name: `${options.name} reads`, statementTimeoutMs: 0 });
  let closing = false;
  const onError = (error: Error & { client?: unknown }): void => {
    delete error.client; // the pool adds its whole connection, which no log should hold
    if (closing) return;
    health.suspect();
    options.onError?.(error);
  };
  const listeners: (() => void)[] = [];
  const broke = (): void => listeners.forEach((forget) => forget());
  const pool = new pg.Pool({ ...settings, pipeline: true, max: options.poolSize, idleTimeoutMillis: 60_000 });
  const streams = new pg.Pool({ ...streaming.settings, max: options.readers ?? 4, idleTimeoutMillis: 10_000 });
  // A connection that breaks while it is in use says so to its user; the event beside that must find a listener.
  for (const each of [pool, streams]) each.on('connect', (client) => void client.on('error', () => {}));
  pool.on('error', onError);
  streams.on('error', onError);
  const pipelines = Array.from({ length: options.pipelines ?? 2 }, () => openPipeline(settings, onError));
  const joining = createJoining();
  const beforeCommit = createBeforeCommit();
  // What does not join takes a second connection. Were all of them held from outside, everybody would wait for each other.
  const room = Math.max(1, options.poolSize - SPARE);
  const gate = createGate({ room, alone: Math.max(1, room - SPARE), patienceMs: connectTimeout });
  let turn = 0;
  const inUse = new Set<pg.PoolClient>();
  pool.on('acquire', (client) => void inUse.add(client));
  pool.on('release', (_error, client) => void inUse.delete(client));
  const health = watchHealth(settings, {
    down() {
      // Reads by key go at once, the rest a little later, should the database come back after all.
      for (const pipeline of pipelines) pipeline.reset();
      const stuck = [...inUse];
      setTimeout(() => stuck.filter((client) => inUse.has(client)).forEach(destroy), GIVE_UP_MS).unref();
    },
    broke,
    up() {
      broke();
      for (let idle = pool.idleCount; idle > 0; idle--) {
        void pool.connect().then(
          (client) => client.release(true),
          () => {},
        );
      }
    },
  });

  const source: Source = { pool, session, health, isDistributed, beforeCommit };
  const queryOn =
    (from: Source) =>
    async <Row>(statement: Sql): Promise<Rows<Row>> => {
      const client = await connect(from);
      try {
        const result = await alone<Row>(from, client, statement);
        client.release();
        return result;
      } catch (error) {
        const broken = isConnectionFault(error);
        client.release(broken);
        if (broken) health.suspect();
        throw translate(error);
      }
    };
  const query = queryOn(source);

  return {
    pool,
    url: options.url,
    isDistributed,
    onBroken: (forget) => void listeners.push(forget),
    query,
    async quick<Row>(statement: Sql) {
      const pipeline = pipelines[turn++ % pipelines.length];
      if (!pipeline) return query<Row>(statement);
      health.check();
      try {
        const client = await pipeline.client().catch((error: unknown) => Promise.reject(translate(error, true)));
        return await alone<Row>(source, client, statement);
      } catch (error) {
        if (isConnectionFault(error)) health.suspect();
        throw translate(error);
      }
    },
    transaction: (work, transactionOptions) => transaction(source, joining, work, transactionOptions),
    own: {
      isDistributed,
      query: <Row>(statement: Sql) =>
        joining.current()?.nested((tx) => tx.query<Row>(statement)) ??
        (beforeCommit.isWaiting() ? outermost(source, (tx) => tx.query<Row>(statement)) : query<Row>(statement)),
    },
    async together(work, of = '') {
      const afterwards: Joined['afterwards'] = [];
      const leave = await gate.enter(of);
      const begin = async (tx: Queryable) => {
        if (isDistributed) await tx.query(SEQUENTIALLY);
        return joining.run(tx, afterwards, () => work(tx));
      };
      const result = await outermost(source, begin, { retries: 0 }).finally(leave);
      // It is committed, whatever becomes of these.
      await Promise.allSettled(afterwards.map((finish) => finish()));
      return result;
    },
    isTogether(afterwards) {
      const outer = joining.current();
      if (afterwards) outer?.afterwards.push(afterwards);
      return outer !== undefined;
    },
    apart: (work) => beforeCommit.without(() => joining.apart(work)),
    beforeCommit: beforeCommit.run,
    reading: beforeCommit.without,
    reads: { isDistributed, query: queryOn({ ...source, pool: streams, session: streaming }) },
    async withClient(work, isolation = 'read committed') {
      const client = await connect({ ...source, pool: streams });
      let sound = false;
      try {
        await client.query(streaming.begin(isolation, 'read only'));
        const result = await work(client);
        await client.query('commit');
        sound = true;
        return result;
      } catch (error) {
        throw translate(error);
      } finally {
        client.release(!sound); // a failed connection is not used again, so nothing rolls back here
      }
    },
    async close() {
      closing = true;
      health.stop();
      await Promise.allSettled(pipelines.map((pipeline) => pipeline.close()));
      await Promise.allSettled([pool.end(), streams.end()]);
    },
  };
}

const GIVE_UP_MS = 2_000;

interface Source {
  beforeCommit: Pick<BeforeCommit, 'take' | 'giveBack'>;
  pool: pg.Pool;
  session: Session;
  health: Health;
  isDistributed: boolean;
}

async function run<Row>({ session, health }: Source, client: pg.ClientBase, statement: Sql): Promise<Rows<Row>> {
  health.began();
  try {
    const result = await client.query(session.prepare(statement));
    return { rows: result.rows as Row[], count: result.rowCount ?? 0 }; // the caller names the columns it selected
  } finally {
    health.ended();
  }
}

/**
 * Statements of one transaction, of which several may be under way. Once one has failed, those behind it fail because of it,
 * and it depends on who awaits what which of them is heard first: so they all say what the one that failed says.
 */
function blaming(source: Source, client: pg.ClientBase): Queryable['query'] {
  let cause: unknown;
  return async <Row>(statement: Sql) => {
    try {
      return await run<Row>(source, client, statement);
    } catch (error) {
      if (isAborted(error) && cause !== undefined) throw cause;
      cause = error;
      throw error;
    }
  };
}

/** A statement that is a transaction by itself; behind a pooler in so many words, which go out in one write. */
async function alone<Row>(source: Source, client: pg.ClientBase, statement: Sql): Promise<Rows<Row>> {
  if (!source.session.isPooled) return run(source, client, statement);
  const begun = client.query(source.session.begin('read committed'));
  begun.catch(() => {});
  const running = run<Row>(source, client, statement);
  const committed = client.query('commit');
  committed.catch(() => {});
  const result = await running;
  await Promise.all([begun, committed]);
  return result;
}

async function connect({ pool, health }: Source): Promise<pg.PoolClient> {
  health.check();
  try {
    return await pool.connect();
  } catch (error) {
    health.suspect();
    throw translate(error, true);
  }
}

function transaction<T>(
  source: Source,
  joining: Joining,
  work: (tx: Queryable) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const outer = options.isolation === 'repeatable read' ? undefined : joining.current();
  return outer ? nested(outer, work, options) : outermost(source, work, options);
}

async function nested<T>(
  outer: Joined,
  work: (tx: Queryable) => Promise<T>,
  { retries = 3 }: TransactionOptions,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await outer.nested(work);
    } catch (error) {
      if (attempt < retries && isRetryable(error)) continue;
      throw translate(error);
    }
  }
}

async function outermost<T>(
  source: Source,
  work: (tx: Queryable) => Promise<T>,
  { isolation = 'read committed', retries = 3 }: TransactionOptions = {},
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const client = await connect(source);
    let broken = false;
    let write: ReturnType<typeof source.beforeCommit.take>;
    try {
      // Not awaited: the connection is pipelined, so the first statement of the work follows in the same round trip.
      const begun = client.query(source.session.begin(isolation));
      begun.catch(() => {});
      const tx: Queryable = { query: blaming(source, client), isDistributed: source.isDistributed };
      const result = await work(tx);
      await begun;
      write = isolation === 'read committed' ? source.beforeCommit.take() : undefined;
      const written = write?.(tx);
      written?.catch(() => {}); // goes out with the commit, and says itself what is wrong
      await client.query('commit');
      await written;
      return result;
    } catch (error) {
      broken = isConnectionFault(error);
      if (write) source.beforeCommit.giveBack(write);
      if (!broken) await client.query('rollback').catch(() => (broken = true));
      if (broken) source.health.suspect();
      if (attempt < retries && isRetryable(error)) continue;
      throw translate(error);
    } finally {
      client.release(broken);
    }
  }
}
