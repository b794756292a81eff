import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PROFILES_DIR, readProfiles } from '../profiles.ts';
import { MOST_ADDED_MS } from './judge.ts';
import { validate } from './run.ts';
import { LEGEND, shownSpread, tableOf } from './table.ts';

export const HELP = `pnpm lab wan-validate [options]
  Probes the WAN emulator's links over loopback and compares with what was asked of them.
  --seconds N      length of a probe (default 3)
  --lanes N        probes at the same time (default 2)
  --patience N     seconds to wait in all for a calm machine before a link is probed again (default 60)
  --seed N         seed of the links (default 1)
  --only TEXT      only links whose name contains TEXT
  --profiles DIR   read the profiles there
  --markdown FILE  write the table there too
  --json FILE      write all figures there too
  Ends with 0 when every link is within bounds, with 1 when not, with 2 on a wrong option or profile.`;

const number = (text: string, name: string, min: number, max: number): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < min || value > max) throw new RangeError(`--${name} must be ${min} to ${max}`);
  return value;
};

/** Runs the command and returns its exit code. @throws RangeError or TypeError on a wrong option. */
export async function wanValidate(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '3' },
      lanes: { type: 'string', default: '2' },
      patience: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      profiles: { type: 'string', default: PROFILES_DIR },
      markdown: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const profiles = await readProfiles(values.profiles);
  console.error('first the model alone, over many seeds, then probes');
  const validation = await validate({
    profiles: profiles.values(),
    seed: Math.trunc(number(values.seed, 'seed', 0, 2 ** 31)),
    seconds: number(values.seconds, 'seconds', 1, 60),
    lanes: Math.trunc(number(values.lanes, 'lanes', 1, 8)),
    patienceS: number(values.patience, 'patience', 0, 3_600),
    only: values.only,
    onRow: (row, done, of) => {
      console.error(
        `${String(done).padStart(3)}/${of} ${row.complaints.length === 0 ? 'ok ' : 'OUT'} ${row.name}, ${row.load}`,
      );
    },
  });
  const { rows, cpuPressure, stolenCpu, without, priority } = validation;
  const out = rows.filter((row) => row.complaints.length > 0);
  const told = rows.filter((row) => row.added !== undefined);
  const quick = told.filter((row) => row.added !== undefined && row.added.p99Ms < MOST_ADDED_MS);
  const lines = [
    `Node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown CPU'}; ` +
      `threads waited for a CPU in ${part(cpuPressure, 0)} of the time, the machine's host took ${part(stolenCpu, 2)} of the CPUs; priority of the emulator: ${priority}.`,
    `Probes without the emulator between, before each batch of links: ${shownSpread(without)} ms (p50 / p99).`,
    '',
    ...tableOf(rows),
    '',
    ...LEGEND,
    '',
    ...out.flatMap((row) => row.complaints.map((complaint) => `OUT: ${row.name}, ${row.load}: ${complaint}`)),
    `${rows.length - out.length} of ${rows.length} within bounds; end to end too, ${quick.length} of ${told.length} have less than ${MOST_ADDED_MS} ms added at p99`,
  ];
  console.log(lines.join('\n'));
  if (values.markdown !== undefined) await save(values.markdown, `${lines.join('\n')}\n`);
  if (values.json !== undefined) await save(values.json, `${JSON.stringify(validation, null, 2)}\n`);
  return out.length > 0 || rows.length === 0 ? 1 : 0;
}

const part = (of: number | undefined, digits: number): string =>
  of === undefined ? 'an unknown part' : `${(of * 100).toFixed(digits)} %`;

async function save(file: string, text: string): Promise<void> {
  await mkdir(dirname(resolve(file)), { recursive: true });
  await writeFile(file, text);
}
