// Everything that a call of this package can fail with. Classes carry a `name` too, for pages that load two builds of it.

/** The codes that today's server answers with; a newer one may know more. */
export type ErrorCode =
  | 'invalid'
  | 'not_authenticated'
  | 'authentication_failed'
  | 'permission_denied'
  | 'not_found'
  | 'not_offered'
  | 'method_not_allowed'
  | 'conflict'
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'throttled'
  | 'internal_error'
  | 'unavailable'
  | (string & {});

/** Messages by field; those between fields under `non_field_errors`. */
export type FieldErrors = Record<string, string[]>;

/** The server answered with an error. */
export class ApiError extends Error {
  override name = 'ApiError';
  /** The HTTP status. */
  readonly status: number;
  /** What went wrong, for programs: `invalid` for a 400 with messages by field, else the answer's `error_code`. */
  readonly code: ErrorCode;
  /** Of a 400: messages by field as it was sent (`attributes[0].key`); else empty. */
  readonly fields: FieldErrors;
  /** The fields of the answer: beside `detail` and `error_code`, what some errors say for programs, such as counts. */
  readonly data: Record<string, unknown>;
  /** The same, as LiveLike's SDK calls it. */
  get errorDetail(): Record<string, unknown> {
    return this.data;
  }
  /** Tells the server's operators which request it was. */
  readonly requestId: string | undefined;
  /** Seconds after which the server wants to be asked again, where it said so. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: unknown, headers?: Headers) {
    const answer = (typeof body === 'object' && body ? body : {}) as Record<string, unknown>; // JSON objects have string keys
    const code = answer['error_code'] as ErrorCode | undefined; // the contract's shape of an error
    const fields = status === 400 && !code ? (answer as FieldErrors) : {};
    const messages = Object.keys(fields).map((field) => `${field}: ${[fields[field]].flat().join(' ')}`);
    super(messages.join('; ') || String(answer['detail'] ?? `The server answered ${status}.`));
    this.status = status;
    this.code = code ?? (status === 400 ? 'invalid' : `http_${status}`);
    this.fields = fields;
    this.data = answer;
    this.requestId = headers?.get('x-request-id') ?? undefined;
    this.retryAfter = readRetryAfter(headers?.get('retry-after'));
  }
}

/** A profile access token is dead: it expired, was revoked, or its profile was erased. `status` is 401. */
export class InvalidTokenError extends ApiError {
  override name = 'InvalidTokenError';
}

/** No answer came: offline, a name that does not resolve, a connection that broke, or CORS. The reason is its `cause`. */
export class NetworkError extends Error {
  override name = 'NetworkError';
}

/** No answer came in time. */
export class TimeoutError extends NetworkError {
  override name = 'TimeoutError';
}

/** Seconds or an HTTP date, as seconds from now. */
function readRetryAfter(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const seconds = isNaN(Number(text)) ? (Date.parse(text) - Date.now()) / 1000 : Number(text);
  return isNaN(seconds) ? undefined : Math.max(0, seconds);
}
