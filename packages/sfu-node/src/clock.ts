export type Cancel = () => void;

/** Time and timers, passed in so that tests can drive them. */
export interface Clock {
  /** Milliseconds that never run backwards; only differences mean something. */
  now(): number;
  /** Milliseconds since 1970. */
  wallNow(): number;
  /** Calls `run` once after `ms`. */
  after(ms: number, run: () => void): Cancel;
  /** Calls `run` every `ms` until it is cancelled. */
  every(ms: number, run: () => void): Cancel;
  /** Calls `run` when everything that is due in this turn of the event loop has run. */
  soon(run: () => void): Cancel;
}

/** The machine's own time. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  soon(run) {
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  },
};

/** The same timers, and the wall clock corrected by what is told, milliseconds. */
export function correctedClock(clock: Clock, offsetMs: () => number): Clock {
  return {
    now: () => clock.now(),
    wallNow: () => clock.wallNow() + offsetMs(),
    after: (ms, run) => clock.after(ms, run),
    every: (ms, run) => clock.every(ms, run),
    soon: (run) => clock.soon(run),
  };
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
