// The way to PostgreSQL: a pool for transactions and slow statements, and pipelined connections for short reads.
// Statements are written with the `sql` tag, which binds every value; each distinct text is prepared once a connection.
// A database that is away or stalls surfaces as Unavailable (503), never as a hung request.

import pg from 'pg';
import sql, { Sql, join, raw, empty } from 'sql-template-tag';
import { Unavailable } from '../errors.ts';
import { createGate } from './gate.ts';
import { destroy, watchHealth, type Health } from './health.ts';
import { createJoining, type Joined, type Joining } from './joining.ts';
import { openPipeline } from './pipeline.ts';
import { parseTimestamptz } from './timestamptz.ts';

export { sql, join, raw, empty };
export type { Sql };

const TIMESTAMPTZ = 1184;
const INT8 = 20;

/** timestamptz as whole microseconds (Instant), int8 as number: every bigint we store stays far below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary' = 'text') => {
    if (format === 'text' && oid === TIMESTAMPTZ) return parseTimestamptz;
    if (format === 'text' && oid === INT8) return Number;
    return pg.types.getTypeParser(oid, format);
  }) as pg.CustomTypesConfig['getTypeParser'], // pg's overloads cannot be written as one function
};

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

export type Isolation = 'read committed' | 'repeatable read';

export interface Database extends Queryable {
  /** A short statement that reads a few rows by key. It shares a pipelined connection: a slow one holds up the rest. */
  quick<Row = Record<string, unknown>>(statement: Sql): Promise<Rows<Row>>;
  /** Part of the outer transaction inside `together`, unless it is a `repeatable read` one: those are for reading. */
  transaction<T>(work: (tx: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** As query, but inside `together` part of its transaction: for single statements that write, and to read what was written. */
  readonly own: Queryable;
  /** One transaction around work that knows nothing of it (joining.ts). */
  together<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * Whether the caller is inside `together`: what it has written is nobody else's yet. If so, the work given is done as
   * soon as it is committed.
   */
  isTogether(afterwards?: () => Promise<unknown>): boolean;
  /** Inside `together`: work that commits by itself, since others rely on it at once. */
  apart<T>(work: () => Promise<T>): Promise<T>;
  /** A connection of its own, not pipelined and without a time limit: for COPY, cursors and long reads. Never for writes. */
  withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T>;
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
  isDistributed?: boolean;
  onError?: (error: Error) => void;
}

/** Connections that `together` leaves alone. */
const SPARE = 2;

const names = new Map<string, string>();

const MAX_NAMES = 2000;

/** One name per distinct statement text, the same on every connection, so that each is planned once. */
function statementName(text: string): string | undefined {
  let name = names.get(text);
  if (name === undefined) {
    if (names.size >= MAX_NAMES) return undefined; // filters can be combined without end
    name = `s${names.size}`;
    names.set(text, name);
  }
  return name;
}

function prepared(statement: Sql): pg.QueryConfig {
  const text = statement.text;
  const name = statementName(text);
  return { ...(name !== undefined && { name }), text, values: statement.values };
}

export function openDatabase(options: DatabaseOptions): Database {
  const statementTimeout = options.statementTimeoutMs ?? 15_000;
  const isDistributed = options.isDistributed ?? false;
  const connectTimeout = options.connectTimeoutMs ?? 5_000;
  const settings: pg.ClientConfig = {
    connectionString: options.url,
    application_name: options.name,
    types,
    connectionTimeoutMillis: connectTimeout,
    statement_timeout: statementTimeout,
    query_timeout: statementTimeout + 1_000,
    keepAlive: true,
    options: '-c timezone=UTC -c idle_in_transaction_session_timeout=60000',
  };
  let closing = false;
  const onError = (error: Error & { client?: unknown }): void => {
    delete error.client; // the pool adds its whole connection, which no log should hold
    if (!closing) options.onError?.(error);
  };
  const pool = new pg.Pool({ ...settings, pipeline: true, max: options.poolSize, idleTimeoutMillis: 60_000 });
  // By its name drains (drain.ts) know that nothing is written here, and do not wait for a long read.
  const streams = new pg.Pool({
    ...settings,
    application_name: `${options.name} reads`,
    statement_timeout: 0,
    query_timeout: 0,
    max: 4,
    idleTimeoutMillis: 10_000,
  });
  // A connection that breaks while it is in use says so to its user; the event beside that must find a listener.
  for (const each of [pool, streams]) each.on('connect', (client) => void client.on('error', () => {}));
  pool.on('error', onError);
  streams.on('error', onError);
  const pipelines = Array.from({ length: options.pipelines ?? 2 }, () => openPipeline(settings, onError));
  const joining = createJoining();
  // What does not join takes a second connection. Were all of them held from outside, everybody would wait for each other.
  const enter = createGate(Math.max(1, options.poolSize - SPARE), connectTimeout);
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
    up() {
      for (let idle = pool.idleCount; idle > 0; idle--) {
        void pool.connect().then(
          (client) => client.release(true),
          () => {},
        );
      }
    },
  });

  const query = async <Row>(statement: Sql): Promise<Rows<Row>> => {
    const client = await connect(pool, health);
    try {
      const result = await run<Row>(client, statement, health);
      client.release();
      return result;
    } catch (error) {
      client.release(isConnectionFault(error));
      throw translate(error);
    }
  };

  return {
    pool,
    url: options.url,
    isDistributed,
    query,
    async quick<Row>(statement: Sql) {
      const pipeline = pipelines[turn++ % pipelines.length];
      if (!pipeline) return query<Row>(statement);
      health.check();
      try {
        const client = await pipeline.client().catch((error: unknown) => Promise.reject(translate(error, true)));
        return await run<Row>(client, statement, health);
      } catch (error) {
        if (isConnectionFault(error)) health.suspect();
        throw translate(error);
      }
    },
    transaction: (work, transactionOptions) =>
      transaction({ pool, health, isDistributed }, joining, work, transactionOptions),
    own: {
      isDistributed,
      query: <Row>(statement: Sql) =>
        joining.current()?.nested((tx) => tx.query<Row>(statement)) ?? query<Row>(statement),
    },
    async together(work) {
      const afterwards: Joined['afterwards'] = [];
      const leave = await enter();
      const result = await outermost(
        { pool, health, isDistributed },
        (tx) => joining.run(tx, afterwards, () => work(tx)),
        { retries: 0 },
      ).finally(leave);
      // It is committed, whatever becomes of these.
      await Promise.allSettled(afterwards.map((finish) => finish()));
      return result;
    },
    isTogether(afterwards) {
      const outer = joining.current();
      if (afterwards) outer?.afterwards.push(afterwards);
      return outer !== undefined;
    },
    apart: joining.apart,
    async withClient(work) {
      const client = await connect(streams, health);
      let sound = false;
      try {
        const result = await work(client);
        sound = true;
        return result;
      } catch (error) {
        throw translate(error);
      } finally {
        client.release(!sound);
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

async function run<Row>(client: pg.ClientBase, statement: Sql, health: Health): Promise<Rows<Row>> {
  health.began();
  try {
    const result = await client.query(prepared(statement));
    return { rows: result.rows as Row[], count: result.rowCount ?? 0 }; // the caller names the columns it selected
  } finally {
    health.ended();
  }
}

async function connect(pool: pg.Pool, health: Health): Promise<pg.PoolClient> {
  health.check();
  try {
    return await pool.connect();
  } catch (error) {
    health.suspect();
    throw translate(error, true);
  }
}

interface Source {
  pool: pg.Pool;
  health: Health;
  isDistributed: boolean;
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
  { pool, health, isDistributed }: Source,
  work: (tx: Queryable) => Promise<T>,
  { isolation = 'read committed', retries = 3 }: TransactionOptions = {},
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const client = await connect(pool, health);
    let broken = false;
    try {
      // Not awaited: the connection is pipelined, so the first statement of the work follows in the same round trip.
      const begun = client.query(`begin isolation level ${isolation}`);
      begun.catch(() => {});
      const result = await work({ query: (statement) => run(client, statement, health), isDistributed });
      await begun;
      await client.query('commit');
      return result;
    } catch (error) {
      broken = isConnectionFault(error);
      if (!broken) await client.query('rollback').catch(() => (broken = true));
      if (attempt < retries && isRetryable(error)) continue;
      throw translate(error);
    } finally {
      client.release(broken);
    }
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether the connection itself must be given up. */
function isConnectionFault(error: unknown): boolean {
  if (error instanceof Unavailable) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof pg.DatabaseError) return /^(08|57P0)/.test(error.code ?? '');
  return /^(E[A-Z]+|08)/.test(codeOf(error)) || /timeout|terminated|not queryable|closed/i.test(error.message);
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

/** A connection that somebody holds, as stores take it. */
export function onClient(client: pg.ClientBase, isDistributed = false): Queryable {
  return {
    isDistributed,
    async query<Row>(statement: { text: string; values: unknown[] }) {
      const result = await client.query(statement.text, statement.values);
      return { rows: result.rows as Row[], count: result.rowCount ?? 0 }; // the caller names the columns it selected
    },
  };
}

export function isRetryable(error: unknown): boolean {
  const code = codeOf(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}

/** Out of connections, memory or disk, cancelled by a time limit, shutting down or starting: the world's fault. */
const WORLD = /^(08|53|57|58)/;

/** The world's fault as Unavailable, all else as it is. */
export function translate(error: unknown, connecting = false): unknown {
  if (error instanceof Unavailable || !(error instanceof Error)) return error;
  if (error instanceof pg.DatabaseError) {
    return WORLD.test(error.code ?? '') ? new Unavailable(`database: ${error.message}`, { cause: error }) : error;
  }
  return connecting || isConnectionFault(error)
    ? new Unavailable(`database: ${error.message}`, { cause: error })
    : error;
}

const UNIQUE_VIOLATION = '23505';

export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    error instanceof pg.DatabaseError &&
    error.code === UNIQUE_VIOLATION &&
    (constraint === undefined || error.constraint === constraint)
  );
}
