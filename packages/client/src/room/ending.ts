import { assertNever, type EndReason, type ErrorCode, MeridianError } from '@meridian/protocol';
import type { SdkError } from '../errors.ts';

/** Why a room is over for this client. */
export type EndKind = 'left' | 'kicked' | 'room-ended' | 'replaced' | 'failed';

export type Verdict =
  /** Come back; to another node if there is one where `avoidNode` is set. */
  { readonly next: 'rejoin'; readonly avoidNode: boolean } | { readonly next: 'end'; readonly kind: EndKind };

const rejoin = (avoidNode: boolean): Verdict => ({ next: 'rejoin', avoidNode });
const end = (kind: EndKind): Verdict => ({ next: 'end', kind });

/** What follows when the node says that the session, or its media, has ended. */
export function verdictOfReason(reason: EndReason, error: SdkError): Verdict {
  switch (reason) {
    case 'left':
    case 'moved':
      return end('left');
    case 'kicked':
      return end('kicked');
    case 'room-ended':
      return end('room-ended');
    case 'replaced':
      return end('replaced');
    case 'token-revoked':
      return end('failed');
    case 'protocol-error':
      return error.retryable ? rejoin(false) : end('failed');
    case 'node-shutdown':
    case 'node-lost':
      return rejoin(true);
    case 'connection-lost':
    case 'transport-failed':
    case 'worker-died':
    case 'slow-reader':
      return rejoin(false);
    default:
      return assertNever(reason);
  }
}

/** Refusals that say nothing about the next attempt, since that one comes with new tokens and a new place. */
const STALE: ReadonlySet<ErrorCode> = new Set([
  'token-expired',
  'token-not-yet-valid',
  'token-key-unknown',
  'token-replayed',
  'token-audience',
  'token-session',
  'already-joined',
  'not-joined',
  'closed',
] satisfies ErrorCode[]);

/** May another attempt succeed after this failure? */
export function worthAnotherTry(error: SdkError): boolean {
  if (error.retryable) return true;
  return error instanceof MeridianError && STALE.has(error.code);
}

/** What follows when the connection ended without a word of the node, or with a close code only. */
export function verdictOfClose(error: SdkError, online: boolean): Verdict {
  switch (error.code) {
    case 'session-replaced':
      return end('replaced');
    case 'session-kicked':
      return end('kicked');
    case 'room-ended':
      return end('room-ended');
    case 'node-shutdown':
    case 'node-draining':
      return rejoin(true);
    case 'connection-lost':
      // The other side hung up while our network is fine: the node is gone. A connection that fell
      // silent says more about our network than about the node.
      return rejoin(online && error.details?.closeCode !== undefined);
    default:
      return worthAnotherTry(error) ? rejoin(false) : end('failed');
  }
}

/** Failures of an attempt that speak against the node it went to, rather than against the request. */
const NODE_TROUBLE = [
  'node-unreachable',
  'node-draining',
  'node-shutdown',
  'node-unknown',
  'connection-lost',
  'deadline-exceeded',
  'media-unavailable',
  'worker-died',
] as const satisfies readonly SdkError['code'][];

export const blamesNode = (error: SdkError): boolean => NODE_TROUBLE.some((code) => code === error.code);
