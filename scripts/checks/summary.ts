import { combine, type Outcome } from './outcome.ts';

export function table(results: readonly { name: string; ms: number; outcome: Outcome }[]): string {
  const rows = [
    ['check', 'passed', 'failed', 'skipped', 'time'],
    ...results.map(({ name, ms, outcome }) => [
      name,
      String(outcome.passed),
      String(outcome.failed.length),
      String(outcome.skipped.length),
      `${(ms / 1_000).toFixed(1)} s`,
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

/** `N passed, N failed`, and `, N skipped` when something was. */
export function finalLine(outcomes: readonly Outcome[]): string {
  const { passed, failed, skipped } = combine(outcomes);
  return `${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`;
}
