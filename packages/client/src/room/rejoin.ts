import type { NodeId } from '@meridian/protocol';
import { ClientError, retryAfterMsOf, type SdkError, toSdkError } from '../errors.ts';
import { reconnectDelayMs } from '../reconnect.ts';
import type { Runtime } from '../runtime.ts';
import { blamesNode, worthAnotherTry } from './ending.ts';

export interface RejoinOptions<T> {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** What ended the stay before. */
  readonly cause: SdkError;
  /** Nodes not to go to again while there are others. */
  readonly avoid: readonly NodeId[];
  /** Attempts that were made before without lasting success. */
  readonly attempts: number;
  /** Before every attempt but the first: true when there is nothing to rejoin any more, the old stay goes on. */
  readonly resumed?: () => Promise<boolean>;
  readonly attempt: (input: { avoid: readonly NodeId[]; onNode: (nodeId: NodeId) => void }) => Promise<T>;
  readonly onWaiting: (waiting: { attempt: number; delayMs: number; cause: SdkError }) => void;
}

/** Without an `online` event an attempt is made after this long all the same. Milliseconds. */
const OFFLINE_PATIENCE_MS = 15_000;

/**
 * Tries until one attempt succeeds, with growing pauses; at once when the network comes back.
 * @throws ClientError `reconnect-failed`, `aborted`; or the failure that makes further attempts pointless
 */
export async function rejoin<T>(
  options: RejoinOptions<T>,
): Promise<{ value: T; attempts: number } | { value: undefined; attempts: number }> {
  const { runtime, signal } = options;
  const avoid = [...options.avoid];
  let cause = options.cause;
  for (let attempt = options.attempts; ; attempt += 1) {
    const delayMs = reconnectDelayMs(attempt, runtime.random(), retryAfterMsOf(cause));
    if (delayMs === undefined) throw new ClientError('reconnect-failed', { cause });
    options.onWaiting({ attempt, delayMs, cause });
    await untilWorthTrying(runtime, runtime.isOnline() ? delayMs : OFFLINE_PATIENCE_MS, signal);
    if (signal.aborted) throw new ClientError('aborted', { cause: signal.reason });
    if (attempt > options.attempts && (await options.resumed?.())) return { value: undefined, attempts: attempt };
    if (signal.aborted) throw new ClientError('aborted', { cause: signal.reason });
    let tried: NodeId | undefined;
    try {
      const value = await options.attempt({
        avoid,
        onNode: (nodeId) => {
          tried = nodeId;
        },
      });
      return { value, attempts: attempt + 1 };
    } catch (thrown) {
      cause = toSdkError(thrown);
      if (signal.aborted || !worthAnotherTry(cause)) throw cause;
      if (tried !== undefined && blamesNode(cause) && !avoid.includes(tried)) avoid.push(tried);
    }
  }
}

/** Until the time has passed, the network is back, or it is aborted. */
export function untilWorthTrying(
  runtime: Pick<Runtime, 'after' | 'onOnline'>,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      forget();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = runtime.after(ms, done);
    const forget = runtime.onOnline(done);
    signal.addEventListener('abort', done, { once: true });
  });
}
