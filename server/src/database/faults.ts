// What errors of the database mean: the world's fault, another transaction in the way, or a fault of ours.

import pg from 'pg';
import { Unavailable } from '../errors.ts';

/** An error's code, of PostgreSQL or of the system; empty where it has none. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether the connection itself must be given up. */
export function isConnectionFault(error: unknown): boolean {
  if (error instanceof Unavailable) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof pg.DatabaseError)
    return /^(08|57P0)/.test(error.code ?? '') || error.code === READ_ONLY_TRANSACTION;
  return /^(E[A-Z]+|08)/.test(codeOf(error)) || /timeout|terminated|not queryable|closed/i.test(error.message);
}

const SERIALIZATION_FAILURE = '40001';
export const DEADLOCK_DETECTED = '40P01';
const TRANSACTION_ABORTED = '25P02';
/** No longer the primary, or made read-only by its host: another connection may lead to one that takes writes. */
const READ_ONLY_TRANSACTION = '25006';

/** Fails only because another statement of its transaction did. */
export const isAborted = (error: unknown): boolean => codeOf(error) === TRANSACTION_ABORTED;

/** Another transaction was in the way: the same again may do. */
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
    return WORLD.test(error.code ?? '') || error.code === READ_ONLY_TRANSACTION
      ? new Unavailable(`database: ${error.message}`, { cause: error })
      : error;
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
