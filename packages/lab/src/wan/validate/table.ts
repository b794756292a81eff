import type { Judgement, Spread, Verdict } from './judge.ts';

/** One line of the report. */
export interface Row {
  readonly name: string;
  readonly load: string;
  readonly figures: readonly Judgement[];
  /** What the emulator added by itself and what was added from end to end; absent where packets cannot be told apart (TCP). */
  readonly own: Spread | undefined;
  readonly added: Spread | undefined;
  readonly complaints: readonly string[];
  /** How often it was measured until it was good or given up. */
  readonly runs: number;
  /** How often more than that, while the machine's host kept the CPUs from this machine. */
  readonly disturbed: number;
}

export const rowOf = (verdict: Verdict, { runs, disturbed }: Pick<Row, 'runs' | 'disturbed'>): Row => ({
  name: verdict.cell.name,
  load: verdict.cell.load.label,
  figures: verdict.figures,
  own: verdict.live.own,
  added: verdict.live.added,
  complaints: verdict.complaints,
  runs,
  disturbed,
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

const HEADER = [
  'link',
  'load',
  'delay ms',
  'jitter ms',
  'loss %',
  'rate Mbit/s',
  'own p50 / p99 ms',
  'end to end p50 / p99 ms',
  'runs',
  '',
];

/** How to read the table. */
export const LEGEND = [
  'Each figure: asked, model (mean of many seeds in virtual time); what the packets of this probe were to show > what was measured.',
  "A short probe's plan strays from what was asked by chance; the model's mean and the measured figure may not (5 %).",
  'own: what the emulator added to what was planned, from when it could read a packet until it had sent it; judged. end to end: what',
  "was added from the probe's sender to its receiver, whose wake-ups are in it; shown for comparison. !: out of bounds.",
  "runs: how often it was probed; + n: and how often besides while the machine's host kept the CPUs to itself, which does not count.",
];

export const shownSpread = (spread: Spread | undefined): string =>
  spread === undefined ? '' : `${spread.p50Ms.toFixed(2)} / ${spread.p99Ms.toFixed(2)}`;

function cellsOf(row: Row): string[] {
  return [
    row.name,
    row.load,
    shown(row, 'delayMs'),
    shown(row, 'jitterMs'),
    shown(row, 'loss'),
    shown(row, 'rateBps'),
    shownSpread(row.own),
    shownSpread(row.added),
    row.disturbed === 0 ? String(row.runs) : `${row.runs} + ${row.disturbed}`,
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
