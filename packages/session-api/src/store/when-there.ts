import { isMeridianError } from '@meridian/protocol';

const FIRST_MS = 250;
const MOST_MS = 2_000;

/**
 * Opens a store that may be started at the same time as this process: tries until it answers.
 * @throws MeridianError `store-unavailable` when it has not within the time; any other error at once
 */
export async function whenThere<T>(
  open: () => Promise<T>,
  options: { withinMs: number; onWaiting: (cause: unknown) => void },
): Promise<T> {
  const deadline = performance.now() + options.withinMs;
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(MOST_MS, pauseMs * 2)) {
    try {
      return await open();
    } catch (error) {
      if (!isMeridianError(error, 'store-unavailable') || performance.now() + pauseMs > deadline) throw error;
      options.onWaiting(error);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
