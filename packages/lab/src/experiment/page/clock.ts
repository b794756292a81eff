/** Milliseconds since 1970 by this page's clock, which never jumps: it was set when the page was opened. */
export const pageMs = (monotonicMs: number = performance.now()): number => performance.timeOrigin + monotonicMs;
