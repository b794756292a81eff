import { isSdkError, type SdkError, toSdkError } from '../errors.ts';
import { resumeDelayMs } from '../reconnect.ts';
import type { Runtime } from '../runtime.ts';
import { deadline } from '../runtime.ts';
import { untilWorthTrying } from './rejoin.ts';

/** What a resume needs of an attachment whose connection is suspended. */
export interface Resumable {
  /** One attempt. @throws what the node closed with; ClientError `node-unreachable`, `aborted` */
  resume(signal: AbortSignal): Promise<void>;
  /** Does anything come in over its transports, within some hundred milliseconds? */
  mediaLives(): Promise<boolean>;
  /** An attempt has failed: another node may have to be chosen soon. */
  onUnreachable?(): void;
}

export interface ResumeOptions {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly stay: Resumable;
  /** When the node lets go of the participant, by the runtime's clock. */
  readonly untilMs: number;
}

export type ResumeOutcome =
  | { readonly name: 'resumed' }
  /** The node has nothing left to go on with, or says another end. */
  | { readonly name: 'refused'; readonly error: SdkError }
  /** Neither the node nor any media of it can be reached: it may be dead. A resume may succeed yet. */
  | { readonly name: 'dead'; readonly error: SdkError }
  | { readonly name: 'too-late'; readonly error: SdkError }
  | { readonly name: 'aborted' };

/** An attempt that takes longer goes on only while media comes in. Milliseconds. */
const PATIENCE_MS = 1_500;
/** Without an `online` event an attempt is made after this long all the same. Milliseconds. */
const OFFLINE_PATIENCE_MS = 5_000;

/**
 * Tries to go on over a new WebSocket, with growing pauses and at once when the network is back, for as long as
 * there is hope. A node that refuses while its media is gone as well gets no second attempt: time is dear then.
 */
export async function resumeStay(options: ResumeOptions, cause: SdkError): Promise<ResumeOutcome> {
  const { runtime, signal, stay, untilMs } = options;
  let error = cause;
  // Beside the first attempt. What came in then may have been under way when the node died; silence is silence.
  const livedAtFirst = runtime.isOnline() ? stay.mediaLives().catch(() => true) : undefined;
  for (let attempt = 0; ; attempt += 1) {
    const delayMs = runtime.isOnline() ? resumeDelayMs(attempt, runtime.random()) : OFFLINE_PATIENCE_MS;
    if (runtime.now() + delayMs >= untilMs) {
      await untilWorthTrying(runtime, untilMs - runtime.now(), signal);
      // Unless the network came back in the last moment.
      if (runtime.now() >= untilMs) return signal.aborted ? { name: 'aborted' } : { name: 'too-late', error };
    } else {
      await untilWorthTrying(runtime, delayMs, signal);
    }
    if (signal.aborted) return { name: 'aborted' };
    const outcome = await tryOnce(options);
    if (outcome.name !== 'unreachable') return outcome;
    error = outcome.error;
    stay.onUnreachable?.();
    const isSilent = attempt === 0 && (await livedAtFirst) === false;
    if (runtime.isOnline() && (isSilent || !(await stay.mediaLives()))) {
      return signal.aborted ? { name: 'aborted' } : { name: 'dead', error };
    }
  }
}

/** One attempt: given up early when no media comes in either. */
export async function tryOnce({
  runtime,
  signal,
  stay,
}: Omit<ResumeOptions, 'untilMs'>): Promise<ResumeOutcome | { name: 'unreachable'; error: SdkError }> {
  const attempt = deadline(runtime, 6_000, signal);
  const impatient = new AbortController();
  const cancelLook = runtime.after(PATIENCE_MS, () => {
    stay.mediaLives().then(
      (lives) => {
        if (!lives) impatient.abort();
      },
      () => impatient.abort(),
    );
  });
  try {
    await stay.resume(AbortSignal.any([attempt.signal, impatient.signal]));
    return { name: 'resumed' };
  } catch (thrown) {
    const error = toSdkError(thrown);
    if (signal.aborted) return { name: 'aborted' };
    const unreachable = isSdkError(error, 'node-unreachable', 'aborted', 'bad-reply');
    return unreachable ? { name: 'unreachable', error } : { name: 'refused', error };
  } finally {
    cancelLook();
    attempt.clear();
  }
}
