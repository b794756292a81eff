/** What a benchmark says: lines for people and the same figures by name for machines. */
export interface BenchResult {
  readonly name: string;
  readonly lines: string[];
  readonly figures: Record<string, number>;
}

/** The value below which the fraction `q` (0 to 1) of the values lies; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
