import { assertNever } from '@meridian/protocol';
import type { Outcome } from '../analysis/verdict.ts';
import {
  clockNotes,
  crossChecksMade,
  DIRECTIONS_TITLE,
  directionsNote,
  disagreements,
  INTERVALS_NOTE,
  paragraphs,
  provenance,
  type ReportInput,
  refusals,
  settlingNotes,
  topologyNote,
  unreachedNotes,
} from './content.ts';
import { type DirectionTable, directionTables, figureRows, number, thresholdSentences } from './text.ts';

const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`);

const STYLE = `
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --back: #f6f8fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 44px 0 12px; }
p.lead { color: var(--soft); margin: 0 0 8px; max-width: 72ch; }
p.note { color: var(--soft); font-size: 13px; margin: 8px 2px 0; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px; margin: 14px 0; }
.verdict { border-left: 6px solid var(--mark); }
.verdict h3 { margin: 0 0 8px; font-size: 17px; }
.verdict ul { margin: 0; padding-left: 20px; }
.better { --mark: #009e73; } .worse { --mark: #d55e00; } .mixed { --mark: #e69f00; } .none { --mark: #8a96a3; }
figure { margin: 0; overflow-x: auto; } figure svg { display: block; width: 100%; height: auto; min-width: 620px; }
figure.drawing svg { min-width: 760px; }
figcaption { color: var(--soft); font-size: 13px; margin: 0 0 6px; }
.wide { overflow-x: auto; padding: 6px 0; } .wide th:first-child, .wide td:first-child { position: sticky; left: 0; background: #fff; min-width: 150px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--soft); font-weight: 600; }
tbody tr.minor td { color: var(--soft); } tbody tr:last-child td { border-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin: 14px 0 0; } summary { cursor: pointer; color: var(--soft); font-size: 14px; }
details h3 { font-size: 14px; margin: 18px 12px 4px; } details table { font-size: 12.5px; } details th, details td { padding: 4px 7px; } details td:first-child { white-space: nowrap; } ul.files { columns: 3 240px; font-size: 13px; padding-left: 18px; }
a { color: #0072b2; }
@media (max-width: 700px) { main { padding: 24px 12px 48px; } .card { padding: 14px 14px; } h1 { font-size: 24px; } .wide { padding: 4px 0; } .wide th, .wide td { padding: 6px 8px; } .wide th { min-width: 92px; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; } }
small { color: var(--soft); } td small { white-space: nowrap; } ul.plain { margin: 8px 0 0; padding-left: 20px; }
`;

function classOf(outcome: Outcome): string {
  switch (outcome) {
    case 'better':
    case 'worse':
    case 'mixed':
      return outcome;
    case 'no-difference':
    case 'too-few':
      return 'none';
    default:
      return assertNever(outcome);
  }
}

/** A difference and its interval, one below the other. */
function cellOf(text: string): string {
  const [, difference, interval] = /^([+−\d.]+) \((.+)\)$/.exec(text) ?? [];
  if (difference === undefined || interval === undefined) return escaped(text);
  return `<b>${escaped(difference)}</b><br><small>${escaped(interval)}</small>`;
}

function directionsOf({ arm, head, rows }: DirectionTable): string {
  const cells = (tag: string, values: readonly string[]) =>
    values.map((value) => `<${tag}>${escaped(value)}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('');
  return `<h3>${escaped(arm)}</h3><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table>`;
}

/** The recordings beside the page, by links that lead nowhere else. */
function rawLinks({ raw, files }: ReportInput): string {
  if (raw === undefined) return '';
  const links = files.map((file) => {
    const path = [...(raw === '.' ? [] : raw.split('/')), file].map(encodeURIComponent).join('/');
    return `<li><a href="${escaped(path)}">${escaped(file)}</a></li>`;
  });
  return `<details><summary>Raw data: ${files.length} recordings (JSON lines)</summary><ul class="files">${links.join('')}</ul></details>`;
}

/** One page that needs nothing but itself: no scripts, no fonts, no addresses. */
export function htmlReport(input: ReportInput): string {
  const { evaluation, pictures } = input;
  const { scenario, comparisons } = evaluation;
  const items = (lines: readonly string[]) => lines.map((line) => `<li>${escaped(line)}</li>`).join('');
  const figureOf = ({ title, svg }: { title: string; svg: string }, caption: boolean) =>
    `<div class="card"><figure${caption ? '' : ' class="drawing"'}>${caption ? `<figcaption>${escaped(title)}</figcaption>` : ''}${svg}</figure></div>`;
  const verdicts = comparisons
    .map(
      ({ verdict }) =>
        `<div class="card verdict ${classOf(verdict.outcome)}"><h3>${escaped(verdict.headline)}</h3><ul>${items(verdict.sentences)}</ul></div>`,
    )
    .join('');
  const head = [
    'Figure',
    ...scenario.arms.map(({ title }) => title),
    ...comparisons.map(({ arm, reference }) => `${arm} − ${reference}`),
  ];
  const rows = figureRows(evaluation)
    .map(({ metric, means, differences }) => {
      const cells = [
        `${metric.title}${metric.unit === '' ? '' : `, ${metric.unit}`}`,
        ...means.map((value) => number(metric, value)),
        ...differences,
      ];
      return `<tr${metric.decides ? '' : ' class="minor"'}>${cells.map((cell) => `<td>${cellOf(cell)}</td>`).join('')}</tr>`;
    })
    .join('');
  const note = directionsNote(evaluation);
  const isTopology = ({ name }: { name: string }) => name.startsWith('topology-');
  const wrong = disagreements(evaluation);
  const checks = [
    `${crossChecksMade(evaluation)} cross-checks between the figures of clients and servers, ${wrong.length} disagreements.`,
    ...wrong,
    ...unreachedNotes(evaluation),
    ...settlingNotes(evaluation),
    ...clockNotes(evaluation),
    ...refusals(evaluation).map((one) => `Left out: ${one}`),
  ];
  const made = provenance(input)
    .map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`)
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(scenario.title)}</title><style>${STYLE}</style></head><body><main>
<h1>${escaped(scenario.title)}</h1>${paragraphs(scenario.description)
    .map((text) => `<p class="lead">${escaped(text)}</p>`)
    .join('')}
<h2>Verdict</h2>${verdicts}
<div class="card"><ul class="plain">${items(thresholdSentences(evaluation))}</ul></div>
<h2>What was compared</h2>${pictures
    .filter(isTopology)
    .map((picture) => figureOf(picture, false))
    .join('')}<p class="note">${escaped(topologyNote(evaluation))}</p>
<h2>Figures</h2><div class="card wide"><table><thead><tr>${head
    .map((cell) => `<th>${escaped(cell)}</th>`)
    .join('')}</tr></thead><tbody>${rows}</tbody></table></div><p class="note">${escaped(INTERVALS_NOTE)}</p>
<details><summary>${escaped(DIRECTIONS_TITLE)}</summary>${note === undefined ? '' : `<p class="note">${escaped(note)}</p>`}<div class="card wide">${directionTables(
    evaluation,
  )
    .map(directionsOf)
    .join('')}</div></details>
<h2>Plots</h2>${pictures
    .filter((picture) => !isTopology(picture))
    .map((picture) => figureOf(picture, true))
    .join('')}
<h2>Checks</h2><div class="card"><ul class="plain">${items(checks)}</ul></div>
<h2>How it was made</h2><div class="card"><dl>${made}</dl>${rawLinks(input)}</div>
</main></body></html>
`;
}
