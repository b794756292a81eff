import type { NodeId } from '@meridian/protocol';
import { isSdkError, type SdkError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { Attached } from './attach.ts';
import type { AttachInput } from './attaching.ts';
import type { Attachment } from './attachment.ts';
import { type RejoinOptions, rejoin } from './rejoin.ts';
import { tryOnce } from './resume.ts';

export interface RecoveryOptions {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly old: Attachment;
  readonly cause: SdkError;
  readonly avoid: readonly NodeId[];
  readonly attempts: number;
  /** The old stay may go on until then, should its node answer after all; 0 where it cannot. By the runtime's clock. */
  readonly resumableUntilMs: number;
  readonly attach: (input: AttachInput) => Promise<Attached>;
  readonly onWaiting: RejoinOptions<Attached>['onWaiting'];
  /** Nothing of the old stay can go on but what it still plays. */
  readonly onGivenUp: () => void;
}

export type Recovered =
  | { readonly name: 'resumed'; readonly attempts: number }
  | { readonly name: 'rejoined'; readonly attempts: number; readonly attached: Attached };

/**
 * Gets back into the room: by joining again at the best node then, or by a late resume, whichever comes first.
 * @throws as `rejoin`
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { attach, avoid, cause, old, onWaiting, runtime, signal } = options;
  let untilMs = options.resumableUntilMs;
  const giveUp = () => {
    untilMs = 0;
    options.onGivenUp();
  };
  if (untilMs === 0) giveUp();
  const { value, attempts } = await rejoin({
    runtime,
    signal,
    cause,
    avoid,
    onWaiting,
    attempts: options.attempts,
    resumed: async () => {
      if (runtime.now() >= untilMs) return false;
      const outcome = await tryOnce({ runtime, stay: old, signal });
      if (outcome.name === 'resumed' && old.isServing) return true;
      if (outcome.name === 'resumed' || outcome.name === 'refused') giveUp();
      return false;
    },
    attempt: async (input) => {
      let chosen = false;
      const onNode = (nodeId: NodeId) => {
        chosen = true;
        input.onNode(nodeId);
      };
      try {
        return await attach({ avoid: input.avoid, handover: false, signal, onNode });
      } catch (error) {
        // Past that point the session may have been attached elsewhere.
        if (untilMs > 0 && chosen && !isSdkError(error, 'node-unreachable') && !signal.aborted) giveUp();
        throw error;
      }
    },
  });
  if (value === undefined) return { name: 'resumed', attempts };
  if (untilMs > 0 && !signal.aborted) giveUp();
  return { name: 'rejoined', attempts, attached: value };
}
