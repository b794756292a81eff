import { cpus } from 'node:os';

/** How busy the machine was around a fault, 0 to 1: everything that ran on it, the lab's own browsers included. */
export interface Busy {
  readonly before: number;
  /** In the first seconds after it. */
  readonly after: number;
}

/** How long after the fault counts, milliseconds; shorter where all agreed before that. */
const AFTER_MS = 5_000;

interface Look {
  readonly atMs: number;
  readonly busyMs: number;
  readonly allMs: number;
}

/** Watches the processors of this machine. */
export class CpuWatch {
  readonly #looks: Look[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #nowMs: () => number;

  /** @param nowMs on the clock that faults are told by */
  constructor(nowMs: () => number, everyMs = 250) {
    this.#nowMs = nowMs;
    this.#look();
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  around(faultMs: number): Busy {
    this.#look();
    return { before: busyOf(this.#looks, 0, faultMs), after: busyOf(this.#looks, faultMs, faultMs + AFTER_MS) };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const all = cpus().map(({ times }) => times);
    const sum = (of: (times: (typeof all)[number]) => number) => all.reduce((total, times) => total + of(times), 0);
    const allMs = sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq);
    this.#looks.push({ atMs: this.#nowMs(), allMs, busyMs: allMs - sum(({ idle }) => idle) });
  }
}

/** Share of the time between the first and the last look in there; NaN where there are no two. */
export function busyOf(looks: readonly Look[], fromMs: number, untilMs: number): number {
  const inside = looks.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
  const [first, last] = [inside[0], inside.at(-1)];
  if (first === undefined || last === undefined || last.allMs === first.allMs) return Number.NaN;
  return (last.busyMs - first.busyMs) / (last.allMs - first.allMs);
}
