import { readFileSync } from 'node:fs';

/** Microseconds in which some thread of the machine waited for a CPU (Linux pressure stall information); undefined elsewhere. */
function cpuWaitUs(): number | undefined {
  try {
    const total = /^some .*total=(\d+)/m.exec(readFileSync('/proc/pressure/cpu', 'utf8'))?.[1];
    return total === undefined ? undefined : Number(total);
  } catch {
    return undefined;
  }
}

/** Starts watching; the function returned says which part of the time since then threads waited for a CPU, 0 to 1. */
export function watchCpuPressure(): () => number | undefined {
  const [beforeUs, startNs] = [cpuWaitUs(), process.hrtime.bigint()];
  return () => {
    const afterUs = cpuWaitUs();
    if (beforeUs === undefined || afterUs === undefined) return undefined;
    return (afterUs - beforeUs) / (Number(process.hrtime.bigint() - startNs) / 1_000);
  };
}

/** What all CPUs did, and what the machine's host took from them, in ticks (Linux); undefined elsewhere. */
function cpuTicks(): { readonly all: number; readonly stolen: number } | undefined {
  try {
    const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
    // user nice system idle iowait irq softirq steal; guests are counted under user and nice already.
    const ticks = line?.split(' ').slice(0, 8).map(Number);
    return ticks === undefined ? undefined : { all: ticks.reduce((a, b) => a + b, 0), stolen: ticks[7] ?? 0 };
  } catch {
    return undefined;
  }
}

/** Starts watching; the function returned says which part of the CPUs' time since then the machine's host gave to others, 0 to 1. */
export function watchStolenCpu(): () => number | undefined {
  const before = cpuTicks();
  return () => {
    const after = cpuTicks();
    if (before === undefined || after === undefined || after.all === before.all) return undefined;
    return (after.stolen - before.stolen) / (after.all - before.all);
  };
}
