import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type EvaluateOptions, type Evaluation, evaluate } from '../analysis/experiment.ts';
import { readRuns } from '../experiment/record/run.ts';
import { FIGURES_FILE } from './content.ts';
import { figuresFile } from './figures-file.ts';
import { htmlReport } from './html.ts';
import { markdownReport } from './markdown.ts';
import { plotsOf } from './plots.ts';
import { topology } from './topology.ts';

export interface Written {
  readonly evaluation: Evaluation;
  /** Where the page is, if one was asked for. */
  readonly html: string;
  readonly markdown: string;
  /** Of these two, what was written. */
  readonly reports: readonly string[];
}

export interface WriteOptions extends EvaluateOptions {
  readonly outDir?: string | undefined;
  /** For keeping without the recordings, as in a repository: no HTML, and nothing that leads to where they lie. */
  readonly markdownOnly?: boolean | undefined;
}

/**
 * Reads the recorded runs of a folder and writes `report.html` (one file that needs nothing else), `report.md`, its
 * pictures (`plots/*.svg`) and `figures.json` beside them, or into `outDir`. Nothing is measured again.
 * @throws MeridianError `config-invalid` where there is nothing to read or the recordings do not fit together
 */
export async function writeReport(runsDir: string, options: WriteOptions = {}): Promise<Written> {
  const { files, runs } = await readRuns(runsDir);
  const evaluation = evaluate(runs, options);
  const outDir = options.outDir ?? runsDir;
  const pictures = [...topology(evaluation), ...plotsOf(evaluation)];
  const raw = options.markdownOnly === true ? undefined : relative(outDir, runsDir) || '.';
  const input = { evaluation, pictures, raw, files };
  const html = join(outDir, 'report.html');
  const markdown = join(outDir, 'report.md');
  await mkdir(join(outDir, 'plots'), { recursive: true });
  await Promise.all([
    ...pictures.map(({ name, svg }) => writeFile(join(outDir, 'plots', `${name}.svg`), svg)),
    writeFile(join(outDir, FIGURES_FILE), figuresFile(evaluation)),
    ...(options.markdownOnly === true ? [] : [writeFile(html, htmlReport(input))]),
    writeFile(markdown, markdownReport(input)),
  ]);
  return { evaluation, html, markdown, reports: options.markdownOnly === true ? [markdown] : [html, markdown] };
}
