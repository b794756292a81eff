/** The steps of a join, in the order in which they may begin. */
export type JoinStep =
  | 'prepare'
  | 'stand-by'
  | 'user'
  | 'invitation'
  | 'nodes'
  | 'probe'
  | 'session'
  | 'connect'
  | 'room-token'
  | 'device'
  | 'join';

/** What comes after the join has been answered. */
export type JoinMark = 'joined' | 'send-connected' | 'receive-connected' | 'first-media';

export interface StepTiming {
  readonly step: JoinStep;
  /** Milliseconds since `join()` was called. */
  readonly startMs: number;
  readonly endMs: number;
  /** Round trips on the application's level that follow one another within this step. */
  readonly roundTrips: number;
  /** The steps that had to end before this one. */
  readonly after: readonly JoinStep[];
}

export interface JoinTimings {
  readonly steps: readonly StepTiming[];
  /** Milliseconds since `join()` was called; absent until it has happened. */
  readonly marks: Readonly<Partial<Record<JoinMark, number>>>;
  /**
   * Round trips that had to follow one another from the call to the join's answer. A WebSocket counts
   * as one; what TCP, TLS, ICE and DTLS add below is not in it.
   */
  readonly sequentialRoundTrips: number;
}

/** Takes the times of one join. */
export class Stopwatch {
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #steps: StepTiming[] = [];
  readonly #marks: Partial<Record<JoinMark, number>> = {};

  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** Takes the time of a step; a step that fails is not written down. */
  async step<T>(
    step: JoinStep,
    how: { roundTrips: number; after?: readonly JoinStep[] },
    work: () => Promise<T>,
  ): Promise<T> {
    const startMs = this.#elapsedMs();
    const result = await work();
    this.#steps.push({
      step,
      startMs,
      endMs: this.#elapsedMs(),
      roundTrips: how.roundTrips,
      after: how.after ?? [],
    });
    return result;
  }

  /** Only the first time counts. */
  mark(mark: JoinMark): void {
    this.#marks[mark] ??= this.#elapsedMs();
  }

  read(): JoinTimings {
    return {
      steps: [...this.#steps],
      marks: { ...this.#marks },
      sequentialRoundTrips: Math.max(0, ...this.#steps.map(({ step }) => this.#depth(step))),
    };
  }

  /** Round trips on the longest way to the end of a step. */
  #depth(step: JoinStep): number {
    const timing = this.#steps.findLast((one) => one.step === step);
    if (timing === undefined) return 0;
    return timing.roundTrips + Math.max(0, ...timing.after.map((before) => this.#depth(before)));
  }

  #elapsedMs(): number {
    return Math.round((this.#now() - this.#startedAt) * 10) / 10;
  }
}
