import { z } from 'zod';

interface ErrorEntry {
  /** HTTP status of an API answer with this code. */
  readonly status: number;
  /** WebSocket close code where this error ends the connection (4000-4999 are the application's). */
  readonly close: number;
  /** May the very same request succeed later? */
  readonly retryable: boolean;
  /** What happened and what to do, for a person. */
  readonly message: string;
}

const entry = (status: number, close: number, retryable: boolean, message: string): ErrorEntry => ({
  status,
  close,
  retryable,
  message,
});

/** The one table of error codes: code -> HTTP status -> close code -> what to do. */
export const ERRORS = {
  // requests
  'bad-request': entry(400, 4400, false, 'The request is not of the expected form; see details.'),
  'unknown-message': entry(400, 4400, false, 'This message type is unknown here; update the client.'),
  'not-found': entry(404, 4404, false, 'There is nothing at this address.'),
  'method-not-allowed': entry(405, 4405, false, 'This address does not take that method.'),
  'payload-too-large': entry(413, 4413, false, 'The message is too large; send less at once.'),
  'unsupported-media-type': entry(415, 4400, false, 'Bodies are JSON here: send content-type application/json.'),
  'rate-limited': entry(429, 4429, true, 'Too many requests; wait a moment and try again.'),
  'too-many-connections': entry(429, 4431, true, 'Too many connections come from this address; close some, or wait.'),
  'slow-reader': entry(429, 4430, true, 'The connection reads too slowly; reconnect.'),
  'deadline-exceeded': entry(504, 4504, true, 'The answer did not come in time; try again.'),
  'origin-refused': entry(403, 4403, false, 'Pages of this origin may not connect here.'),
  // identity
  'unauthenticated': entry(401, 4401, false, 'Sign in first: no token was sent.'),
  'bad-credentials': entry(401, 4401, false, 'The e-mail address or the password is wrong.'),
  'token-invalid': entry(401, 4401, false, 'The token is not valid; sign in again.'),
  'token-algorithm': entry(401, 4401, false, 'The token is signed with an algorithm that is not accepted.'),
  'token-key-unknown': entry(
    401,
    4401,
    false,
    'The token is signed with a key that is not (or no longer) known; get a new one.',
  ),
  'token-expired': entry(401, 4402, false, 'The token has expired; get a new one.'),
  'token-not-yet-valid': entry(401, 4402, false, 'The token is not valid yet; check the clocks.'),
  'token-audience': entry(401, 4403, false, 'The token was issued for another node or service.'),
  'token-kind': entry(401, 4401, false, 'A token of another kind is needed here.'),
  'token-revoked': entry(401, 4401, false, 'The token was revoked; sign in again.'),
  'token-address': entry(401, 4402, false, 'The token is used from another address than before; get a new one.'),
  'token-replayed': entry(401, 4406, false, 'The room token was used already; ask for a new one.'),
  'token-room': entry(403, 4403, false, 'The room token is for another room.'),
  'token-session': entry(403, 4403, false, 'The token belongs to another session.'),
  'forbidden': entry(403, 4403, false, 'You may not do this.'),
  'email-taken': entry(409, 4409, false, 'This e-mail address has an account already; sign in instead.'),
  // rooms
  'room-not-found': entry(404, 4404, false, 'There is no such room; check the link or create it.'),
  'room-slug-taken': entry(409, 4409, false, 'This room name is taken; choose another.'),
  'room-private': entry(403, 4403, false, 'This room is private; ask its owner for an invitation.'),
  'room-full': entry(409, 4410, true, 'The room is full; try again when somebody has left.'),
  'too-many-rooms': entry(409, 4409, false, 'You own too many rooms; delete one first.'),
  'room-ended': entry(410, 4411, false, 'The room was ended by its owner.'),
  'invitation-invalid': entry(403, 4403, false, 'The invitation is not valid for this room or has expired.'),
  'already-joined': entry(409, 4409, false, 'This session has joined already.'),
  'not-joined': entry(409, 4409, false, 'Join a room first.'),
  'place-expired': entry(409, 4408, true, 'The reserved place expired before the join; ask for a new room token.'),
  // sessions
  'session-not-attached': entry(
    409,
    4409,
    true,
    'The session has no live connection to its node; connect the WebSocket first.',
  ),
  'session-replaced': entry(409, 4412, false, 'A newer connection of this session took over.'),
  'too-many-sessions': entry(409, 4409, true, 'You are connected too often at once; close another tab first.'),
  'session-kicked': entry(403, 4414, false, 'A moderator removed you from the room.'),
  'session-lost': entry(410, 4415, true, 'The session is gone; join again.'),
  // nodes and placement
  'no-healthy-node': entry(503, 4503, true, 'No node can take the call right now; try again shortly.'),
  'region-unavailable': entry(409, 4409, true, 'No node of the asked region can take the call; leave the choice open.'),
  'region-forced-refused': entry(403, 4403, false, 'Forcing a region is switched off on this cluster.'),
  'node-draining': entry(503, 4503, true, 'The node takes no new sessions; join again to get another one.'),
  'node-shutdown': entry(503, 4501, true, 'The node is shutting down; join again to get another one.'),
  'node-full': entry(503, 4503, true, 'The node is full; join again to get another one.'),
  'node-unknown': entry(404, 4404, false, 'There is no such node.'),
  // media
  'transport-not-found': entry(404, 4404, false, 'There is no such transport in this session.'),
  'producer-not-found': entry(404, 4404, false, 'There is no such producer (any more).'),
  'consumer-not-found': entry(404, 4404, false, 'There is no such consumer (any more).'),
  'cannot-consume': entry(409, 4409, false, 'The device cannot receive this producer: no common codec.'),
  'too-many-producers': entry(409, 4409, false, 'The session publishes too many streams; unpublish one first.'),
  'too-many-consumers': entry(409, 4409, false, 'The session receives too many streams; unsubscribe from one first.'),
  'bitrate-exceeded': entry(403, 4432, false, 'The session sends more media than is allowed here; send less.'),
  'media-rejected': entry(400, 4400, false, 'The media parameters were refused; see details.'),
  'worker-died': entry(503, 4502, true, 'The media worker of this room died; join again.'),
  'media-unavailable': entry(503, 4502, true, 'The node cannot open media now (no port or no worker); try again.'),
  'relay-failed': entry(502, 4502, true, 'The relay to the other node could not be set up; it is tried again.'),
  // what we stand on
  'cluster-unavailable': entry(503, 4503, true, 'The cluster state (Redis) is out of reach; try again shortly.'),
  'store-unavailable': entry(503, 4503, true, 'The database is out of reach; try again shortly.'),
  'closed': entry(409, 4499, false, 'This object is closed already.'),
  'config-invalid': entry(500, 4500, false, 'The configuration is wrong; see details.'),
  'internal': entry(500, 4500, true, 'Something went wrong here; it has been logged.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
export const ErrorCode = z.enum(codes);

/** The error body of an HTTP answer and of a signalling response. */
export const ErrorBody = z.object({
  code: ErrorCode,
  message: z.string(),
  /** Milliseconds after which a retry makes sense. */
  retryAfterMs: z.int().nonnegative().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

export interface MeridianErrorOptions {
  /** Replaces the table's sentence; must not hold secrets. */
  readonly message?: string;
  readonly cause?: unknown;
  readonly retryAfterMs?: number;
  readonly details?: Record<string, unknown>;
}

/** The only error class that crosses a package's border on purpose. */
export class MeridianError extends Error {
  override readonly name = 'MeridianError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, options: MeridianErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get closeCode(): number {
    return ERRORS[this.code].close;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** Everything but the cause, for other services of the cluster. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }

  /**
   * The body for those outside the cluster. Of a failure on our side (5xx) it is the table's sentence
   * alone: the error's own words and details name what we stand on, and belong into the log.
   */
  toPublicBody(): ErrorBody {
    if (this.status < 500) return this.toBody();
    return {
      code: this.code,
      message: ERRORS[this.code].message,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }

  static fromBody(body: ErrorBody): MeridianError {
    return new MeridianError(body.code, {
      message: body.message,
      ...(body.retryAfterMs === undefined ? {} : { retryAfterMs: body.retryAfterMs }),
      ...(body.details === undefined ? {} : { details: body.details }),
    });
  }

  /** Anything that was thrown, as a MeridianError; what is unknown becomes `internal` and keeps its cause. */
  static from(thrown: unknown): MeridianError {
    return thrown instanceof MeridianError ? thrown : new MeridianError('internal', { cause: thrown });
  }
}

export function isMeridianError(thrown: unknown, code?: ErrorCode): thrown is MeridianError {
  return thrown instanceof MeridianError && (code === undefined || thrown.code === code);
}
