import { MeridianError } from '@meridian/protocol';

/** Primary result codes (https://www.sqlite.org/rescode.html) after which a later try may succeed. */
const OUT_OF_REACH = new Map<number, string>([
  [5, 'busy'],
  [6, 'locked'],
  [7, 'out of memory'],
  [8, 'read-only'],
  [10, 'input/output error'],
  [13, 'disk full'],
  [14, 'cannot be opened'],
  [15, 'locking protocol'],
]);
const CONSTRAINT_FOREIGN_KEY = 787;
const CONSTRAINT_UNIQUE = 2067;

/** Milliseconds after which a retry makes sense: writers hold the file for a moment only. */
const RETRY_AFTER_MS = 500;

interface SqliteError extends Error {
  /** Extended result code. */
  readonly errcode: number;
}

export function isSqliteError(thrown: unknown): thrown is SqliteError {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    thrown.code === 'ERR_SQLITE_ERROR' &&
    'errcode' in thrown &&
    typeof thrown.errcode === 'number'
  );
}

export function isForeignKeyViolation(thrown: unknown): boolean {
  return isSqliteError(thrown) && thrown.errcode === CONSTRAINT_FOREIGN_KEY;
}

/** Is this the violation of the unique column, such as `users.email_key`? */
export function isUniqueViolation(thrown: unknown, column: string): boolean {
  return (
    isSqliteError(thrown) &&
    thrown.errcode === CONSTRAINT_UNIQUE &&
    thrown.message === `UNIQUE constraint failed: ${column}`
  );
}

/** What node:sqlite threw, as the store's error: `store-unavailable` or `internal`. */
export function fromSqlite(thrown: unknown): MeridianError {
  if (isSqliteError(thrown)) {
    // The low byte of an extended code is the primary one.
    const problem = OUT_OF_REACH.get(thrown.errcode & 0xff);
    if (problem !== undefined) {
      return new MeridianError('store-unavailable', {
        cause: thrown,
        retryAfterMs: RETRY_AFTER_MS,
        details: { problem },
      });
    }
  }
  return MeridianError.from(thrown);
}
