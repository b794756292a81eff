import { parseArgs } from 'node:util';
import { writeReport } from './write.ts';

const HELP = `pnpm lab report <folder with recorded runs> [--reference ARM] [--out FOLDER] [--markdown]
  Evaluates recordings again, without measuring: report.html, report.md, plots/*.svg and figures.json.
  --reference ARM  the arm that the others are compared with; default: the scenario's first
  --out FOLDER     where to write; default: beside the recordings
  --markdown       no report.html, and no way to the recordings: to be kept in a repository (with --out)`;

/** `pnpm lab report`. @throws MeridianError `config-invalid`, TypeError for unknown options */
export async function report(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      reference: { type: 'string' },
      out: { type: 'string' },
      markdown: { type: 'boolean' },
    },
  });
  const [folder, ...more] = positionals;
  if (values.help || folder === undefined || more.length > 0) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  const { evaluation, reports } = await writeReport(folder, {
    reference: values.reference,
    outDir: values.out,
    markdownOnly: values.markdown,
  });
  for (const { verdict } of evaluation.comparisons) console.log([verdict.headline, ...verdict.sentences].join('\n  '));
  console.log(reports.join('\n'));
  return 0;
}
