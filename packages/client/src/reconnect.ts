/** Milliseconds before each attempt to come back, jitter not included. */
export const RECONNECT_DELAYS_MS = [0, 300, 1_200, 2_700, 4_800, 7_000, 7_000, 7_000, 7_000, 7_000] as const;

/** The same for attempts to resume: they cost little, and the window is short. The last one goes on. */
export const RESUME_DELAYS_MS = [0, 300, 700, 1_500, 2_000] as const;

/** At most this much is added at random, so that a node's people do not all come back in the same instant. */
const JITTER_MS = [150, 300, 1_000] as const;

/**
 * Milliseconds to wait before attempt `attempt` (0 is the first); undefined when it is time to give up.
 * @param random 0 to 1
 * @param atLeastMs what the server asked for
 */
export function reconnectDelayMs(attempt: number, random: number, atLeastMs = 0): number | undefined {
  const base = RECONNECT_DELAYS_MS[attempt];
  if (base === undefined) return undefined;
  const jitter = JITTER_MS[attempt] ?? 1_000;
  return Math.max(base, atLeastMs) + random * jitter;
}

/** Milliseconds before attempt `attempt` to resume. */
export function resumeDelayMs(attempt: number, random: number): number {
  const base = RESUME_DELAYS_MS[attempt] ?? RESUME_DELAYS_MS[RESUME_DELAYS_MS.length - 1] ?? 0;
  return base + random * (JITTER_MS[Math.min(attempt, 1)] ?? 0);
}
