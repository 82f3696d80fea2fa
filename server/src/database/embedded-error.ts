// Everything that can keep the embedded database from starting, being backed up or restored, and that the person at the keyboard can do something about.
// The message says what happened and what to do; `code` is for programs.

export type EmbeddedErrorCode =
  | 'locked' // another server uses this data directory
  | 'not-writable' // the data directory cannot be made or written by this user
  | 'not-reachable' // the user that PostgreSQL runs as cannot reach the data
  | 'no-binaries' // no PostgreSQL for this platform, or it does not run here
  | 'user-switch' // we are root and may not become another user
  | 'unknown-user' // our user id has no name, which initdb needs
  | 'other-version' // the data belong to another major version
  | 'disk-full'
  | 'port-taken'
  | 'still-running' // processes of a killed PostgreSQL are still there
  | 'damaged' // the folder holds something that is not a database cluster
  | 'start-failed'
  | 'no-database' // nothing to back up
  | 'not-empty' // a restore would overwrite something
  | 'bad-backup'
  | 'wrong-passphrase';

export class EmbeddedError extends Error {
  readonly code: EmbeddedErrorCode;

  constructor(code: EmbeddedErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EmbeddedError';
    this.code = code;
  }
}

export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The EmbeddedError for a file system error at `path`. */
export function fileError(error: unknown, path: string): EmbeddedError {
  if (error instanceof EmbeddedError) return error;
  const code = errorCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EmbeddedError(
      'disk-full',
      `No space is left for the database in ${path}. Free some and start again.`,
      error,
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST')
    return notWritable(error, path);
  return new EmbeddedError('start-failed', `The database in ${path} could not be prepared: ${reason}.`, error);
}

export function notWritable(error: unknown, path: string): EmbeddedError {
  const reason = error instanceof Error ? error.message : String(error);
  const advice = 'Make it writable for the user that starts the server, or set DATA_DIR to another folder.';
  return new EmbeddedError('not-writable', `The data directory ${path} cannot be used: ${reason}. ${advice}`, error);
}
