/** When to give up, not how long anything may take: a test that claims a time says it. Milliseconds. */
const GIVE_UP_MS = 20_000;

/**
 * Waits until `check` returns without throwing (and not `false`), and returns its value.
 * @throws Error with the reason and the last failure once `withinMs` have passed.
 */
export async function eventually<T>(
  reason: string,
  check: () => T | Promise<T>,
  { withinMs = GIVE_UP_MS, everyMs = 20 }: { withinMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, false>> {
  const deadline = performance.now() + withinMs;
  let last: unknown = 'it stayed false';
  for (;;) {
    try {
      const value = await check();
      if (value !== false) return value as Exclude<T, false>;
      last = 'it stayed false';
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${withinMs} ms: ${reason} (${last instanceof Error ? last.message : String(last)})`, {
        cause: last,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
