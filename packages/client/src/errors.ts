import { type ErrorBody, type ErrorCode, MeridianError } from '@meridian/protocol';

interface ClientErrorEntry {
  /** May the very same call succeed later without the person doing anything? */
  readonly retryable: boolean;
  /** What happened and what to do, for a person. */
  readonly message: string;
}

const entry = (retryable: boolean, message: string): ClientErrorEntry => ({ retryable, message });

/** Failures that only a client knows of: devices, the browser, the way to the servers. */
export const CLIENT_ERRORS = {
  // devices
  'camera-denied': entry(false, 'The camera is blocked; allow it in the browser and try again.'),
  'camera-missing': entry(false, 'No camera was found; plug one in or join without.'),
  'camera-busy': entry(true, 'The camera is in use by another program; close that and try again.'),
  'microphone-denied': entry(false, 'The microphone is blocked; allow it in the browser and try again.'),
  'microphone-missing': entry(false, 'No microphone was found; plug one in or join without.'),
  'microphone-busy': entry(true, 'The microphone is in use by another program; close that and try again.'),
  'screen-denied': entry(false, 'The screen was not shared.'),
  'screen-unavailable': entry(false, 'This browser cannot share a screen.'),
  'devices-insecure': entry(false, 'Browsers give camera and microphone to https pages only; open this page by https.'),
  // browser
  'browser-unsupported': entry(false, 'This browser cannot take part in calls; use a current one.'),
  'media-unreachable': entry(true, 'Audio and video cannot get through; a firewall may block them.'),
  // the way to the servers
  'service-unreachable': entry(true, 'The service cannot be reached; check the network.'),
  'node-unreachable': entry(true, 'The media node cannot be reached.'),
  'connection-lost': entry(true, 'The connection was lost.'),
  'reconnect-failed': entry(true, 'The connection could not be restored; join again.'),
  'bad-reply': entry(true, 'The server answered in a form that is not understood; reload the page.'),
  // use of the SDK
  'room-url-invalid': entry(false, 'This is not the address of a room.'),
  'aborted': entry(false, 'The call was cancelled.'),
  'room-left': entry(false, 'The room was left already.'),
  'not-published': entry(false, 'Nothing of that source is published.'),
  'data-backlog': entry(true, 'Too much data is waiting to be sent; send less.'),
} as const satisfies Record<string, ClientErrorEntry>;

export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

export interface ClientErrorOptions {
  /** Replaces the table's sentence. */
  readonly message?: string;
  readonly cause?: unknown;
  readonly details?: Record<string, unknown>;
}

/** A failure found by the SDK itself; what servers report comes as MeridianError. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ClientErrorCode, options: ClientErrorOptions = {}) {
    super(options.message ?? CLIENT_ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }

  get retryable(): boolean {
    return CLIENT_ERRORS[this.code].retryable;
  }
}

/** Everything the SDK throws or reports; switch on `code`. */
export type SdkError = MeridianError | ClientError;
export type SdkErrorCode = ErrorCode | ClientErrorCode;

export function isSdkError(thrown: unknown, ...codes: readonly SdkErrorCode[]): thrown is SdkError {
  if (!(thrown instanceof MeridianError) && !(thrown instanceof ClientError)) return false;
  return codes.length === 0 || codes.includes(thrown.code);
}

/** Anything that was thrown, as an error with a code; what is unknown keeps its cause. */
export function toSdkError(thrown: unknown, fallback: ClientErrorCode | 'internal' = 'internal'): SdkError {
  if (thrown instanceof MeridianError || thrown instanceof ClientError) return thrown;
  if (fallback === 'internal') return MeridianError.from(thrown);
  return new ClientError(fallback, { cause: thrown });
}

export const fromBody = (body: ErrorBody): SdkError => MeridianError.fromBody(body);

/** Milliseconds the server asked to wait before a retry; 0 where it did not say. */
export const retryAfterMsOf = (error: SdkError): number =>
  error instanceof MeridianError ? (error.retryAfterMs ?? 0) : 0;

/** @throws ClientError `aborted` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ClientError('aborted', { cause: signal.reason });
}
