import { parseArgs } from 'node:util';
import { writeReport } from './write.ts';

const HELP = `pnpm lab report <folder with recorded runs> [--reference ARM] [--out FOLDER]
  Evaluates recordings again, without measuring: report.html, report.md and plots/*.svg.
  --reference ARM  the arm that the others are compared with; default: the scenario's first
  --out FOLDER     where to write; default: beside the recordings`;

/** `pnpm lab report`. @throws MeridianError `config-invalid`, TypeError for unknown options */
export async function report(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, reference: { type: 'string' }, out: { type: 'string' } },
  });
  const [folder, ...more] = positionals;
  if (values.help || folder === undefined || more.length > 0) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  const { evaluation, html, markdown } = await writeReport(folder, { reference: values.reference, outDir: values.out });
  for (const { verdict } of evaluation.comparisons) console.log([verdict.headline, ...verdict.sentences].join('\n  '));
  console.log(`${html}\n${markdown}`);
  return 0;
}
