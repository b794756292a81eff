import {
  clockNotes,
  crossChecksMade,
  DIRECTIONS_TITLE,
  directionsNote,
  disagreements,
  FIGURES_FILE,
  INTERVALS_NOTE,
  paragraphs,
  provenance,
  type ReportInput,
  refusals,
  settlingNotes,
  topologyNote,
  unreachedNotes,
} from './content.ts';
import { directionTables, figureRows, number, thresholdSentences } from './text.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
const bullets = (items: readonly string[]): string[] => items.map((item) => `- ${item}`);

/** Names of commands and files as such. */
const linked = (text: string): string =>
  text.replace(/^pnpm .*/, '`$&`').replace(FIGURES_FILE, `[${FIGURES_FILE}](${FIGURES_FILE})`);

export function markdownReport(input: ReportInput): string {
  const { evaluation, pictures } = input;
  const { scenario, comparisons } = evaluation;
  const rows = figureRows(evaluation);
  const head = [
    'figure',
    ...scenario.arms.map(({ title }) => title),
    ...comparisons.map(({ arm, reference }) => `${arm} − ${reference}`),
  ];
  const wrong = disagreements(evaluation);
  const left = refusals(evaluation);
  const note = directionsNote(evaluation);
  return [
    `# ${scenario.title}`,
    '',
    paragraphs(scenario.description).join('\n\n'),
    '',
    '## Verdict',
    '',
    ...comparisons.flatMap(({ verdict }) => [`**${verdict.headline}**`, '', ...bullets(verdict.sentences), '']),
    ...bullets(thresholdSentences(evaluation)),
    '',
    '## What was compared',
    '',
    ...pictures
      .filter(({ name }) => name.startsWith('topology-'))
      .flatMap(({ name, title }) => [`![${title}](plots/${name}.svg)`, '']),
    topologyNote(evaluation),
    '',
    '## Figures',
    '',
    row(head),
    row(head.map(() => '---')),
    ...rows.map(({ metric, means, differences }) =>
      row([
        `${metric.title}${metric.unit === '' ? '' : `, ${metric.unit}`}`,
        ...means.map((value) => number(metric, value)),
        ...differences,
      ]),
    ),
    '',
    INTERVALS_NOTE,
    '',
    '<details>',
    `<summary>${DIRECTIONS_TITLE}</summary>`,
    '',
    ...(note === undefined ? [] : [note, '']),
    ...directionTables(evaluation).flatMap((table) => [
      `**${table.arm}**`,
      '',
      row(table.head),
      row(table.head.map(() => '---')),
      ...table.rows.map(row),
      '',
    ]),
    '</details>',
    '',
    ...pictures
      .filter(({ name }) => !name.startsWith('topology-'))
      .flatMap(({ name, title }) => [`![${title}](plots/${name}.svg)`, '']),
    '## Checks',
    '',
    ...bullets([
      `${crossChecksMade(evaluation)} cross-checks between the figures of clients and servers, ${wrong.length} disagreements.`,
      ...wrong,
      ...unreachedNotes(evaluation),
      ...settlingNotes(evaluation),
      ...clockNotes(evaluation),
      ...left.map((one) => `Left out: ${one}`),
    ]),
    '',
    '## How it was made',
    '',
    ...bullets(provenance(input).map(([name, value]) => `${name}: ${linked(value)}`)),
    '',
  ].join('\n');
}
