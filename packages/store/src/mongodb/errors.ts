import { MeridianError } from '@meridian/protocol';
import {
  MongoBulkWriteError,
  MongoClientClosedError,
  MongoError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoServerClosedError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  MongoUnexpectedServerResponseError,
  MongoWriteConcernError,
} from 'mongodb';

const DUPLICATE_KEY = 11_000;
const AUTHENTICATION_CODES = new Set([13, 18, 33, 8000]);
/** Unknown command, unknown option, not implemented: what a compatible server says to what it lacks. */
const NOT_SUPPORTED_CODES = new Set([59, 72, 115, 238]);

/**
 * Server error codes after which the same operation can succeed on a later try
 * (https://www.mongodb.com/docs/manual/reference/error-codes/): no primary, a node that is going or
 * coming, a network between the servers that failed, a time limit on the server.
 */
const OUT_OF_REACH_CODES = new Set([
  6, // HostUnreachable
  7, // HostNotFound
  50, // MaxTimeMSExpired
  64, // WriteConcernTimeout
  79, // UnknownReplWriteConcern
  89, // NetworkTimeout
  91, // ShutdownInProgress
  100, // UnsatisfiableWriteConcern
  133, // FailedToSatisfyReadPreference
  134, // ReadConcernMajorityNotAvailableYet
  189, // PrimarySteppedDown
  262, // ExceededTimeLimit
  462, // IngressRequestRateLimitExceeded
  9001, // SocketException
  10058, // LegacyNotPrimary
  10107, // NotWritablePrimary
  11600, // InterruptedAtShutdown
  11602, // InterruptedDueToReplStateChange
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
]);
const OUT_OF_REACH_LABELS = ['RetryableWriteError', 'RetryableError', 'SystemOverloadedError'];

/** Milliseconds after which a retry makes sense: about the time an election or a reconnect takes. */
export const RETRY_AFTER_MS = 1_000;

export function storeUnavailable(cause: unknown, problem: string): MeridianError {
  return new MeridianError('store-unavailable', { cause, retryAfterMs: RETRY_AFTER_MS, details: { problem } });
}

/** A unique index refused the write. Which one, servers other than MongoDB do not tell. */
export function isDuplicateKey(thrown: unknown): boolean {
  return thrown instanceof MongoServerError && thrown.code === DUPLICATE_KEY;
}

/** Did a bulk of inserts fail for nothing else than documents that were there already? */
export function isOnlyDuplicates(thrown: unknown): boolean {
  if (!(thrown instanceof MongoBulkWriteError)) return false;
  const errors = Array.isArray(thrown.writeErrors) ? thrown.writeErrors : [thrown.writeErrors];
  return (
    errors.length > 0 &&
    errors.every((error) => error.code === DUPLICATE_KEY) &&
    thrown.result.getWriteConcernError() === undefined
  );
}

export function isNotSupported(thrown: unknown): boolean {
  return thrown instanceof MongoServerError && NOT_SUPPORTED_CODES.has(Number(thrown.code));
}

export function isRefusedLogin(thrown: unknown): boolean {
  return thrown instanceof MongoServerError && AUTHENTICATION_CODES.has(Number(thrown.code));
}

function outOfReach(thrown: MongoError): string | undefined {
  if (thrown instanceof MongoServerSelectionError) return 'no server answers';
  if (thrown instanceof MongoNetworkError) return 'the connection was lost';
  if (thrown instanceof MongoNotConnectedError || thrown instanceof MongoServerClosedError) return 'not connected';
  if (thrown instanceof MongoUnexpectedServerResponseError) return 'the answer broke off';
  // The driver keeps these two classes to itself.
  if (thrown.name === 'MongoPoolClosedError') return 'not connected';
  if (thrown.name === 'MongoWaitQueueTimeoutError') return 'all connections are busy';
  if (thrown instanceof MongoWriteConcernError || OUT_OF_REACH_CODES.has(Number(thrown.code))) {
    return 'no server could confirm the operation';
  }
  if (thrown instanceof MongoBulkWriteError && thrown.result.getWriteConcernError() !== undefined) {
    return 'no server could confirm the operation';
  }
  if (OUT_OF_REACH_LABELS.some((label) => thrown.hasErrorLabel(label))) return 'the server asks to try again';
  return undefined;
}

/** What the driver threw, as the store's error: `store-unavailable`, `closed` or `internal`. */
export function fromMongo(thrown: unknown): MeridianError {
  if (thrown instanceof MongoClientClosedError || thrown instanceof MongoTopologyClosedError) {
    return new MeridianError('closed', { message: 'the store is closed', cause: thrown });
  }
  const problem = thrown instanceof MongoError ? outOfReach(thrown) : undefined;
  return problem === undefined ? MeridianError.from(thrown) : storeUnavailable(thrown, problem);
}
