import { MeridianError } from '@meridian/protocol';

/** When a caller may try again, milliseconds: about one round of reconnecting. */
const RETRY_AFTER_MS = 1_000;

export function unavailable(message: string, cause?: unknown): MeridianError {
  return new MeridianError('cluster-unavailable', {
    message: `Redis is out of reach (${message}); try again shortly.`,
    retryAfterMs: RETRY_AFTER_MS,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function closedError(what: string): MeridianError {
  return new MeridianError('closed', { message: `${what} is closed already.` });
}

/** First words of the answers by which a server says that it cannot serve just now. */
const NOT_NOW = new Set([
  'LOADING',
  'BUSY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'READONLY',
  'NOREPLICAS',
  'MISCONF',
  'UNBLOCKED',
  'OOM',
]);

/** What ioredis threw, as the package's own error: an answer of the server that says no is a bug here. */
export function asMeridianError(thrown: unknown, command: string): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  if (!(thrown instanceof Error)) return new MeridianError('internal', { cause: thrown });
  if (thrown.name !== 'ReplyError' || NOT_NOW.has(thrown.message.split(' ', 1)[0] ?? '')) {
    return unavailable(`${command}: ${thrown.message.slice(0, 200)}`, thrown);
  }
  return new MeridianError('internal', { message: `Redis refused ${command}`, cause: thrown });
}
