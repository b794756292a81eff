import { parseArgs } from 'node:util';
import { soak } from './run.ts';

const HELP = `pnpm soak [--minutes N] [--seed N] [--out FILE]

Churn over three nodes (people with real media who join, leave, vanish, refresh, lose their connection and resume, mute and
chat; now and then a worker is killed and a node restarted), and a look every two seconds at everything that could grow.
After the warm-up a robust test says of each figure whether it is flat.`;

export async function soakCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '20' },
      seed: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? Date.now() & 0x7fff_ffff : Number(values.seed);
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new RangeError('--minutes is above 0, --seed a whole number');
  const out = values.out ?? `.data/soak/${new Date().toISOString().replaceAll(':', '-')}.jsonl`;
  console.log(`seed ${seed}, samples in ${out}`);
  const { rows, counts, left } = await soak({ minutes, seed, out, say: (line) => console.log(line) });
  console.log(
    `\n${[...counts]
      .map(([what, count]) => `${what} ${count}`)
      .sort()
      .join(', ')}\n`,
  );
  console.log('| figure | first | last | growth | verdict | curve |\n| --- | ---: | ---: | ---: | --- | --- |');
  for (const { name, first, last, growth, verdict, curve } of rows) {
    console.log(`| ${name} | ${round(first)} | ${round(last)} | ${round(growth)} | ${verdict} | ${curve} |`);
  }
  const growing = rows.filter(({ verdict }) => verdict === 'grows').map(({ name }) => name);
  console.log(left.length === 0 ? '\nEverything was gone when everybody had gone.' : `\nLeft over: ${left.join('; ')}`);
  console.log(
    growing.length === 0 ? `Flat after warm-up over ${minutes} min (seed ${seed}).` : `Growing: ${growing.join(', ')}`,
  );
  return growing.length + left.length === 0 ? 0 : 1;
}

const round = (value: number) => (Math.abs(value) < 10 ? value.toFixed(1) : String(Math.round(value)));
