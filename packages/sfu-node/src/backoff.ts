export interface Backoff {
  /** Milliseconds before the first retry. */
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * Milliseconds to wait before retry number `attempt` (0 is the first): doubles up to `mostMs`, spread
 * over the upper half of the step so that many waiters do not come back together.
 * @param random from 0 (included) to 1 (excluded)
 */
export function backoffMs(backoff: Backoff, attempt: number, random: number): number {
  const step = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(step / 2 + (step / 2) * random);
}
