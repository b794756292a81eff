import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseCpuTotals, parsePressure } from '../../experiment/measure/machine.ts';

/** Seconds that a file of /proc tells of; undefined where the system has no such file. */
function secondsIn(file: string, parse: (content: string) => number | undefined): number | undefined {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Starts watching; the function returned says by how much what was read has grown for each second since then. */
function watchGrowth(read: () => number | undefined): () => number | undefined {
  const [before, startNs] = [read(), process.hrtime.bigint()];
  return () => {
    const after = read();
    if (before === undefined || after === undefined) return undefined;
    return (after - before) / (Number(process.hrtime.bigint() - startNs) / 1e9);
  };
}

/** Starts watching; the function returned says which part of the time since then threads waited for a CPU (Linux pressure stall information), 0 to 1. */
export const watchCpuPressure = (): (() => number | undefined) =>
  watchGrowth(() => secondsIn('/proc/pressure/cpu', parsePressure));

/** Starts watching; the function returned says which part of the CPUs' time since then the machine's host gave to others, 0 to 1. */
export const watchStolenCpu = (): (() => number | undefined) =>
  watchGrowth(() => secondsIn('/proc/stat', (stat) => parseCpuTotals(stat).stolenS / cpus().length));
