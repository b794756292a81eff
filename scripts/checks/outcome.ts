/** What a check of `scripts/test` has to say. A check that is not a vitest level counts as one test. */
export interface Outcome {
  readonly passed: number;
  /** One entry per failed test: its name and why. */
  readonly failed: readonly { readonly name: string; readonly why: string }[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export interface Check {
  /** What `scripts/test <name>` calls it. */
  readonly name: string;
  /** One line for the heading. */
  readonly about: string;
  run(signal: AbortSignal): Promise<Outcome>;
}

export const pass: Outcome = { passed: 1, failed: [], skipped: [] };
export const failure = (name: string, why: string): Outcome => ({ passed: 0, failed: [{ name, why }], skipped: [] });
export const skip = (name: string, reason: string): Outcome => ({ passed: 0, failed: [], skipped: [{ name, reason }] });

export const combine = (outcomes: readonly Outcome[]): Outcome => ({
  passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
  failed: outcomes.flatMap((outcome) => outcome.failed),
  skipped: outcomes.flatMap((outcome) => outcome.skipped),
});

/** Runs parts one after the other; what a part throws is its failure, and the next part still runs. */
export async function inOrder(parts: Readonly<Record<string, () => Promise<Outcome>>>): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const [name, part] of Object.entries(parts)) {
    outcomes.push(
      await part().catch((error: unknown) => failure(name, error instanceof Error ? error.message : String(error))),
    );
  }
  return combine(outcomes);
}
