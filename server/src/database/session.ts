// What a connection knows beside its transaction, and how statements go out on it. A connection of our own is told once
// how it works, and keeps a plan under a name for each statement. Behind a pooler (PgBouncer and its like in transaction
// mode) the next transaction may be another server's, so there nothing outlives one: each says at its beginning how it
// works, statements have no names, and a statement by itself is a transaction too.

import pg from 'pg';
import type { Sql } from 'sql-template-tag';
import { forDriver } from './address.ts';
import { parseTimestamptz } from './timestamptz.ts';

export type Isolation = 'read committed' | 'repeatable read';

export interface Session {
  readonly isPooled: boolean;
  /** For pg.Client and pg.Pool. */
  readonly settings: pg.ClientConfig;
  prepare(statement: Sql): pg.QueryConfig;
  /** The text that begins a transaction. */
  begin(isolation: Isolation, access?: 'read only'): string;
}

export interface SessionOptions {
  url: string;
  /** Shown in pg_stat_activity; the drains of `drain.ts` look for it. */
  name: string;
  isPooled: boolean;
  connectTimeoutMs: number;
  /** 0: none, whatever the database's own is. */
  statementTimeoutMs: number;
}

const IDLE_IN_TRANSACTION_MS = 60_000;

export function describeSession(options: SessionOptions): Session {
  const { isPooled, name, statementTimeoutMs } = options;
  const known = {
    timezone: 'UTC',
    statement_timeout: String(statementTimeoutMs),
    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
  };
  const settings: pg.ClientConfig = {
    connectionString: forDriver(options.url),
    application_name: name,
    types,
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 1_000,
    keepAlive: true,
  };
  // Poolers refuse or forget what is asked for at the start of a connection.
  if (!isPooled)
    settings.options = Object.entries(known)
      .map(([key, value]) => `-c ${key}=${value}`)
      .join(' ');
  const locally = Object.entries({ ...known, application_name: name }).map(
    ([key, value]) => `; set local ${key} = '${value}'`,
  );
  const opening = isPooled ? locally.join('') : '';
  return {
    isPooled,
    settings,
    prepare(statement) {
      const text = statement.text;
      const planned = isPooled || unnamedStatements.has(statement) ? undefined : statementName(text);
      return { ...(planned !== undefined && { name: planned }), text, values: statement.values };
    },
    begin: (isolation, access) =>
      `begin isolation level ${isolation}${access === undefined ? '' : ` ${access}`}${opening}`,
  };
}

const unnamedStatements = new WeakSet<Sql>();

/** A statement whose text is hardly ever the same again: it takes no name from those that are. */
export function unnamed(statement: Sql): Sql {
  unnamedStatements.add(statement);
  return statement;
}

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
