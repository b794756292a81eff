import { readdir, readFile } from 'node:fs/promises';
import type { MachineLoad } from '../record/schema.ts';

/** Clock ticks per second in /proc: fixed to 100 for user space on Linux. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4_096;

export interface CpuTotals {
  /** Seconds all cores together were busy, idle and stolen ones not counted. */
  readonly busyS: number;
  readonly stolenS: number;
}

/** @param stat content of /proc/stat */
export function parseCpuTotals(stat: string): CpuTotals {
  const fields = (/^cpu\s+(.*)$/m.exec(stat)?.[1] ?? '').trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return { busyS: (user + nice + system + irq + softirq) / TICKS_PER_S, stolenS: steal / TICKS_PER_S };
}

/** @param pressure content of /proc/pressure/cpu; the total time some thread waited, seconds */
export function parsePressure(pressure: string): number | undefined {
  const total = /^some .*total=(\d+)/m.exec(pressure)?.[1];
  return total === undefined ? undefined : Number(total) / 1e6;
}

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuS: number;
  readonly rssBytes: number;
}

/** @param stat content of /proc/PID/stat; names may hold blanks and brackets */
export function parseProcessStat(stat: string): ProcessStat | undefined {
  const end = stat.lastIndexOf(')');
  const pid = Number.parseInt(stat, 10);
  const fields = stat.slice(end + 2).split(' ');
  const [parent, user, system, rss] = [fields[1], fields[11], fields[12], fields[21]].map(Number);
  if (end < 0 || !Number.isInteger(pid) || parent === undefined || Number.isNaN(parent)) return undefined;
  return {
    pid,
    parent,
    cpuS: ((user ?? 0) + (system ?? 0)) / TICKS_PER_S,
    rssBytes: (rss ?? 0) * PAGE_BYTES,
  };
}

/**
 * Gives every process to the nearest named one above it.
 * @param named pid -> name
 */
export function groupProcesses(
  processes: readonly ProcessStat[],
  named: ReadonlyMap<number, string>,
): Map<string, { cpuS: number; rssBytes: number }> {
  const byPid = new Map(processes.map((one) => [one.pid, one]));
  const groups = new Map<string, { cpuS: number; rssBytes: number }>();
  for (const one of processes) {
    let name: string | undefined;
    for (let at: ProcessStat | undefined = one; at !== undefined && name === undefined; at = byPid.get(at.parent)) {
      name = named.get(at.pid);
    }
    if (name === undefined) continue;
    const group = groups.get(name) ?? { cpuS: 0, rssBytes: 0 };
    groups.set(name, { cpuS: group.cpuS + one.cpuS, rssBytes: group.rssBytes + one.rssBytes });
  }
  return groups;
}

interface Reading {
  readonly atMs: number;
  readonly totals: CpuTotals;
  readonly waitedS: number | undefined;
  readonly groups: ReadonlyMap<string, { cpuS: number; rssBytes: number }>;
}

/** Reads what the machine does from /proc. */
export class MachineMeter {
  readonly #named: () => ReadonlyMap<number, string>;
  readonly #nowMs: () => number;
  #before: Reading | undefined;

  /** @param named whose processes are told apart; children count for their parent */
  constructor(options: { named: () => ReadonlyMap<number, string>; nowMs: () => number }) {
    this.#named = options.named;
    this.#nowMs = options.nowMs;
  }

  /** Since the call before; undefined the first time. @throws Error where there is no Linux /proc */
  async read(): Promise<MachineLoad | undefined> {
    const before = this.#before;
    const now = await this.#reading();
    this.#before = now;
    if (before === undefined) return undefined;
    const overMs = now.atMs - before.atMs;
    if (overMs <= 0) return undefined;
    const overS = overMs / 1_000;
    return {
      type: 'machine',
      atMs: now.atMs,
      overMs,
      busyCores: (now.totals.busyS - before.totals.busyS) / overS,
      stolenCores: (now.totals.stolenS - before.totals.stolenS) / overS,
      waiting:
        now.waitedS === undefined || before.waitedS === undefined
          ? null
          : Math.min(1, (now.waitedS - before.waitedS) / overS),
      processes: [...now.groups].map(([name, { cpuS, rssBytes }]) => ({
        name,
        // A process that ended takes its time along: never below zero.
        cores: Math.max(0, (cpuS - (before.groups.get(name)?.cpuS ?? cpuS)) / overS),
        rssBytes,
      })),
    };
  }

  async #reading(): Promise<Reading> {
    const atMs = this.#nowMs();
    const [stat, pressure, pids] = await Promise.all([
      readFile('/proc/stat', 'utf8'),
      readFile('/proc/pressure/cpu', 'utf8').catch(() => ''),
      readdir('/proc'),
    ]);
    const processes = await Promise.all(
      pids
        .filter((pid) => /^\d+$/.test(pid))
        .map(async (pid) => parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))),
    );
    return {
      atMs,
      totals: parseCpuTotals(stat),
      waitedS: parsePressure(pressure),
      groups: groupProcesses(
        processes.filter((one) => one !== undefined),
        this.#named(),
      ),
    };
  }
}

/** Pids of the children of a process whose command begins with one of the names. */
export async function childrenOf(pid: number, commands: RegExp): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = parseProcessStat(await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => ''));
    if (stat?.parent !== pid) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (commands.test(command)) found.push(stat.pid);
  }
  return found;
}
