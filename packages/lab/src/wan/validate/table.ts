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

const SHOWN: Readonly<Record<Judgement['figure'], (value: number) => string>> = {
  delayMs: (value) => value.toFixed(2),
  jitterMs: (value) => value.toFixed(2),
  loss: (value) => (value * 100).toFixed(2),
  rateBps: (value) => (value / 1e6).toFixed(3),
};

/** `asked, model; plan > measured`, with a mark where one of them is out of bounds. */
function shown(row: Row, figure: Judgement['figure']): string {
  const found = row.figures.find((one) => one.figure === figure);
  if (found === undefined) return '';
  const show = SHOWN[figure];
  const asked = found.model === undefined ? show(found.asked) : `${show(found.asked)}, ${show(found.model)}`;
  const measured = found.plan === undefined ? show(found.measured) : `${show(found.plan)} > ${show(found.measured)}`;
  return `${asked}; ${measured}${found.complaints.length === 0 ? '' : ' !'}`;
}

const HEADER = ['link', 'load', 'delay ms', 'jitter ms', 'loss %', 'rate Mbit/s', 'added p50 / p99 ms', 'runs', ''];

/** How to read the table. */
export const LEGEND = [
  'Each figure: asked, model (mean of many seeds in virtual time); what the packets of this probe were to show > what was measured.',
  "A short probe's plan strays from what was asked by chance; the model's mean and the measured figure may not (5 %).",
  'added: what packets took longer than planned, from one socket of the probe to the other. !: out of bounds.',
];

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
  const lines = rows.map(cellsOf);
  const widths = HEADER.map((title, column) =>
    Math.max(2, title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const format = (line: readonly string[]) =>
    `| ${widths.map((width, i) => (line[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [format(HEADER), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(format)];
}
