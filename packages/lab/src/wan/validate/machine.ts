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
