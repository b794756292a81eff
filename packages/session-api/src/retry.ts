import { isMeridianError } from '@meridian/protocol';

const FIRST_MS = 250;
const MOST_MS = 5_000;

/** Milliseconds before attempt number `attempt` + 1 (0 was the first). */
export const backOffMs = (attempt: number): number => Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 8));

/** Resolves after that time, or when the signal aborts. Does not keep the process alive. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms).unref();
    signal.addEventListener('abort', done, { once: true });
  });
}

/**
 * Tries again for as long as Redis is out of reach; other errors are thrown.
 * @returns the result, or undefined when the signal aborts first
 */
export async function untilClusterAnswers<T>(
  work: () => Promise<T>,
  options: { signal: AbortSignal; onFirstFailure: (cause: unknown) => void },
): Promise<T | undefined> {
  for (let attempt = 0; !options.signal.aborted; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isMeridianError(error, 'cluster-unavailable')) throw error;
      if (attempt === 0) options.onFirstFailure(error);
      await pause(backOffMs(attempt), options.signal);
    }
  }
  return undefined;
}
