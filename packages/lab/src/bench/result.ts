/** What a benchmark says: lines for people and the same figures by name for machines. */
export interface BenchResult {
  readonly name: string;
  readonly lines: string[];
  readonly figures: Record<string, number>;
}
