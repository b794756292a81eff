export interface Point {
  readonly atMs: number;
  readonly value: number;
}

/**
 * How fast a counter rises that is itself brought up to date only every few seconds: between the first and the last
 * reading at which it had changed. Per second; undefined where it changed less than twice.
 */
export function steadyRate(points: readonly Point[]): number | undefined {
  const changes = points.filter(({ value }, index) => index > 0 && value !== points[index - 1]?.value);
  const [first, last] = [changes[0], changes.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs || last.value < first.value)
    return undefined;
  return ((last.value - first.value) * 1_000) / (last.atMs - first.atMs);
}
