import { parseArgs } from 'node:util';
import { fuzz } from './run.ts';

const HELP = `pnpm lab fuzz [--frames N] [--seed N]

Sends mutated requests, frames, upgrades, tokens, HTTP requests, bus messages and Redis records to a cluster of three real
processes while others are in calls there. Nothing may crash or grow without bound, every refusal has a code of the table
of errors, and nobody else may notice.`;

export async function fuzzCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      frames: { type: 'string', default: '100000' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const frames = Number(values.frames);
  const seed = values.seed === undefined ? Date.now() & 0x7fff_ffff : Number(values.seed);
  if (!Number.isInteger(frames) || frames < 1 || !Number.isInteger(seed)) {
    throw new RangeError('--frames and --seed are whole numbers');
  }
  console.log(`seed ${seed}`);
  const { tally, memory, bystanderPackets } = await fuzz({ frames, seed, say: (line) => console.log(line) });
  console.log(tally.table());
  console.log(
    '\n| process | RSS warm, MiB | most | last | live heap warm, MiB | last |\n| --- | ---: | ---: | ---: | ---: | ---: |',
  );
  for (const { name, warmMiB, mostMiB, lastMiB, warmHeapMiB, lastHeapMiB } of memory)
    console.log(`| ${name} | ${warmMiB} | ${mostMiB} | ${lastMiB} | ${warmHeapMiB} | ${lastHeapMiB} |`);
  console.log(`\npackets received by the bystanders meanwhile: ${bystanderPackets.join(', ')}`);
  if (tally.violations.length === 0) {
    console.log(`${tally.sent} sent: no crash, nobody disturbed, every refusal with its code (seed ${seed})`);
    return 0;
  }
  console.error(`${tally.violations.length} violations:\n${tally.violations.map((line) => `  ${line}`).join('\n')}`);
  return 1;
}
