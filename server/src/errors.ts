// Every error an answer can carry: one table, code → status and message. docs/errors.md is generated from it.

import { capped, type FieldErrors } from './problems.ts';
import { formatRetryAfter } from './retry-after.ts';

export const ERRORS = {
  invalid: { status: 400, detail: 'The request is not valid.' },
  not_authenticated: { status: 401, detail: 'Authentication credentials were not provided.' },
  authentication_failed: { status: 401, detail: 'The access token is not valid.' },
  permission_denied: { status: 403, detail: 'This credential may not do that.' },
  not_found: { status: 404, detail: 'Not found.' },
  not_offered: { status: 404, detail: 'This is not part of Grandstand.' },
  method_not_allowed: { status: 405, detail: 'This method is not allowed here.' },
  request_timeout: { status: 408, detail: 'The request did not arrive in time.' },
  conflict: { status: 409, detail: 'The request conflicts with the present state.' },
  precondition_failed: { status: 412, detail: 'The resource changed since it was read.' },
  payload_too_large: { status: 413, detail: 'The body is too large.' },
  unsupported_media_type: { status: 415, detail: 'This media type is not supported here.' },
  throttled: { status: 429, detail: 'Too many requests.' },
  headers_too_large: { status: 431, detail: 'The headers of the request are too large.' },
  internal_error: { status: 500, detail: 'Something went wrong on our side; the request id helps us to find it.' },
  unavailable: { status: 503, detail: 'The service cannot answer right now; try again.' },
} as const satisfies Record<string, { status: number; detail: string }>;

export type ErrorCode = keyof typeof ERRORS;

const MAX_DETAIL = 8192;

export interface ErrorOptions {
  detail?: string;
  /** Seconds, for Retry-After. */
  retryAfter?: number;
  headers?: Record<string, string>;
  /** What a program may want to know beside, such as counts: further fields of the answer. */
  data?: Record<string, unknown>;
  cause?: unknown;
}

/** An error with a place in the table; it becomes `{detail, error_code}`. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string;
  readonly headers: Record<string, string>;
  readonly data: Record<string, unknown>;
  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    // It may name what people called their things.
    const detail = (options.detail ?? ERRORS[code].detail).slice(0, MAX_DETAIL);
    super(detail, { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.detail = detail;
    this.headers = { ...options.headers };
    this.data = options.data ?? {};
    if (options.retryAfter !== undefined) this.headers['retry-after'] = formatRetryAfter(options.retryAfter);
    if (this.status === 401) this.headers['www-authenticate'] ??= 'Bearer realm="grandstand"';
  }
}

export type { FieldErrors };

/** The field of the request that a path leads into: `rule_tree` of `rule_tree.children[0].value`. */
export const fieldOf = (path: string): string => /^[^.[]*/.exec(path)?.[0] ?? path;

/** Adds what was found of other fields; whatever else is said of a field that failed already follows from that. */
export function addOthers(found: FieldErrors, more: FieldErrors): void {
  const failed = new Set(Object.keys(found).map(fieldOf));
  for (const [path, messages] of Object.entries(more)) if (!failed.has(fieldOf(path))) found[path] = messages;
}

/** Of what was sent, the fields that did not fail. */
export const soundFields = (sent: object, failed: ReadonlySet<string>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(sent).filter(([name]) => !failed.has(name)));

/** 400 with the fields' own messages as the body, as many of them as an answer may have. */
export class ValidationError extends Error {
  readonly fields: FieldErrors;
  constructor(found: FieldErrors) {
    const fields = capped(found);
    super(
      Object.entries(fields)
        .map(([field, messages]) => `${field}: ${messages.join(' ')}`)
        .join('; ')
        .slice(0, 500),
    );
    this.fields = fields;
  }
}

/** What each of the parts reads, or the problems of all of them at once. */
export function readAll<T extends unknown[]>(...parts: { [K in keyof T]: () => T[K] }): T {
  const errors: FieldErrors = {};
  const read = parts.map((part: () => unknown) => {
    try {
      return part();
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      return void Object.assign(errors, error.fields);
    }
  });
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return read as T; // each part gave its own
}

/** What was read elsewhere, as a part for `readAll`. */
export const partOf = <T>(read: Promise<T>): Promise<() => T> =>
  read.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );

/** Throws what was found, if anything was. */
export function throwFound(errors: FieldErrors): void {
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
}

/** All of it as text, for who reads no fields. `nameOf`: how the reader calls a field. */
export const sentencesOf = (errors: FieldErrors, nameOf: (field: string) => string = (field) => field): string[] =>
  Object.entries(errors).map(([field, messages]) => {
    const text = messages.join(' ');
    return field === 'non_field_errors' ? text : `${nameOf(field)}: ${text}`;
  });

/** The database or the machine cannot serve right now: 503 with Retry-After. */
export class Unavailable extends Error {}

export const notFound = (detail?: string): ApiError =>
  new ApiError('not_found', detail === undefined ? {} : { detail });
export const denied = (detail?: string): ApiError =>
  new ApiError('permission_denied', detail === undefined ? {} : { detail });
export const conflict = (detail: string): ApiError => new ApiError('conflict', { detail });
export const invalid = (field: string, message: string): ValidationError => new ValidationError({ [field]: [message] });
