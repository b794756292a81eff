import { type ErrorCode, MeridianError } from '@meridian/protocol';
import { errors } from 'mediasoup';

/** What a method of a closed object throws. */
export const closedError = (what: string): MeridianError =>
  new MeridianError('closed', { message: `The ${what} is closed already.` });

/**
 * What mediasoup threw, as the caller's error: refused parameters become `rejected`, a worker that went
 * away `worker-died`, everything else `otherwise`.
 */
export function mediaFailure(
  thrown: unknown,
  what: string,
  codes: { rejected?: ErrorCode; otherwise?: ErrorCode } = {},
): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const code = codeOf(thrown, codes.rejected ?? 'media-rejected', codes.otherwise ?? 'media-unavailable');
  return new MeridianError(code, { message: `${what}: ${reason}`, cause: thrown });
}

function codeOf(thrown: unknown, rejected: ErrorCode, otherwise: ErrorCode): ErrorCode {
  if (thrown instanceof errors.WorkerClosedError) return 'worker-died';
  if (thrown instanceof errors.UnsupportedError || thrown instanceof TypeError) return rejected;
  return otherwise;
}
