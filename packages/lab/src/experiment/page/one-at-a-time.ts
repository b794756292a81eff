/**
 * For what is asked again and again and may be answered late: a slow answer is waited for instead of asked for again.
 * @returns begins it, unless it runs; the end of what runs
 */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}
