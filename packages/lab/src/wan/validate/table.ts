import type { Judgement, Verdict } from './judge.ts';

/** One line of the report. */
export interface Row {
  readonly name: string;
  readonly load: string;
  readonly figures: readonly Judgement[];
  /** Milliseconds; absent where packets cannot be told apart (TCP). */
  readonly added: { readonly p50Ms: number; readonly p99Ms: number } | undefined;
  readonly complaints: readonly string[];
  /** How often it was measured until it was good or given up. */
  readonly runs: number;
}

export const rowOf = (verdict: Verdict, runs: number): Row => ({
  name: verdict.cell.name,
  load: verdict.cell.load.label,
  figures: verdict.figures,
  added: { p50Ms: verdict.live.addedP50Ms, p99Ms: verdict.live.addedP99Ms },
  complaints: verdict.complaints,
  runs,
});

const SHOWN = {
  delayMs: (value: number) => value.toFixed(2),
  jitterMs: (value: number) => value.toFixed(2),
  loss: (value: number) => (value * 100).toFixed(2),
  rateBps: (value: number) => (value / 1e6).toFixed(3),
} as const;

/** `asked > measured (difference)`; `~` where chance, not the 5 %, set what is allowed; `!` where it is out of bounds. */
function shown(row: Row, figure: Judgement['figure']): string {
  const found = row.figures.find((one) => one.figure === figure);
  if (found === undefined) return '';
  const show = SHOWN[figure];
  const part = found.asked === 0 ? '' : ` (${signed(((found.measured - found.asked) / found.asked) * 100)} %)`;
  return `${show(found.asked)} > ${show(found.measured)}${part}${found.byChance ? ' ~' : ''}${found.ok ? '' : ' !'}`;
}

const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(1)}`;

const HEADER = ['link', 'load', 'delay ms', 'jitter ms', 'loss %', 'rate Mbit/s', 'added p50/p99 ms', 'runs', ''];

function cellsOf(row: Row): string[] {
  return [
    row.name,
    row.load,
    shown(row, 'delayMs'),
    shown(row, 'jitterMs'),
    shown(row, 'loss'),
    shown(row, 'rateBps'),
    row.added === undefined ? '' : `${row.added.p50Ms.toFixed(2)} / ${row.added.p99Ms.toFixed(2)}`,
    String(row.runs),
    row.complaints.length === 0 ? 'ok' : 'OUT',
  ];
}

/** As a Markdown table whose columns are also aligned for a terminal. */
export function tableOf(rows: readonly Row[]): string[] {
  const lines = [HEADER, ...rows.map(cellsOf)];
  const widths = HEADER.map((_, column) => Math.max(2, ...lines.map((line) => line[column]?.length ?? 0)));
  const format = (line: readonly string[]) =>
    `| ${widths.map((width, i) => (line[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [
    format(HEADER),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.map((row) => format(cellsOf(row))),
  ];
}
