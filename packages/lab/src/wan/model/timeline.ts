import { applyChange, type LinkChange, type LinkSettings, type LinkState, stateOf } from './settings.ts';

interface Phase {
  readonly fromMs: number;
  readonly state: LinkState;
}

interface Step {
  readonly fromMs: number;
  readonly change: LinkChange;
}

/**
 * What state a link is in at any time: its first state, changed by the steps of its schedule from the moment
 * the schedule is started, and by hand. Times are milliseconds of the caller's clock.
 */
export class Timeline {
  readonly #settings: LinkSettings;
  #steps: Step[] = [];
  #phases: Phase[] = [];
  /** Index of the phase asked for last; time mostly goes forward. */
  #recent = 0;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
    this.#plan([]);
  }

  /** Second 0 of the schedule is now. Steps still to come of an earlier start are forgotten; changes made stay. */
  startSchedule(nowMs: number): void {
    this.#plan([
      ...this.#steps.filter((step) => step.fromMs <= nowMs),
      ...this.#settings.schedule.map((step) => ({ fromMs: nowMs + step.atS * 1_000, change: step.change })),
    ]);
  }

  /** From now on; steps of the schedule still to come apply on top. */
  change(change: LinkChange, nowMs: number): void {
    this.#plan([
      ...this.#steps.filter((step) => step.fromMs <= nowMs),
      { fromMs: nowMs, change },
      ...this.#steps.filter((step) => step.fromMs > nowMs),
    ]);
  }

  at(timeMs: number): LinkState {
    return this.#phase(this.#indexAt(timeMs)).state;
  }

  /** When the outage that holds at `timeMs` ends (`timeMs` if there is none); Infinity where no end is planned. */
  outageEndMs(timeMs: number): number {
    for (let index = this.#indexAt(timeMs); index < this.#phases.length; index += 1) {
      const phase = this.#phase(index);
      if (!phase.state.outage) return Math.max(timeMs, phase.fromMs);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** When a packet whose first bit enters the bottleneck at `startMs` has left it, over changes of the rate. */
  transmittedMs(startMs: number, bytes: number): number {
    let bits = bytes * 8;
    let from = startMs;
    for (let index = this.#indexAt(startMs); ; index += 1) {
      const { rateBps } = this.#phase(index).state;
      if (rateBps === null) return from;
      const end = this.#phases[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
      const done = from + (bits / rateBps) * 1_000;
      if (done <= end) return done;
      bits -= ((end - from) / 1_000) * rateBps;
      from = end;
    }
  }

  #plan(steps: Step[]): void {
    let state = stateOf(this.#settings);
    this.#steps = steps;
    this.#phases = [{ fromMs: Number.NEGATIVE_INFINITY, state }];
    for (const step of steps) {
      state = applyChange(state, step.change);
      this.#phases.push({ fromMs: step.fromMs, state });
    }
    this.#recent = 0;
  }

  #phase(index: number): Phase {
    const phase = this.#phases[index];
    if (phase === undefined) throw new RangeError(`no phase ${index}`);
    return phase;
  }

  #indexAt(timeMs: number): number {
    let index = this.#recent;
    while (index > 0 && this.#phase(index).fromMs > timeMs) index -= 1;
    while ((this.#phases[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY) <= timeMs) index += 1;
    this.#recent = index;
    return index;
  }
}
