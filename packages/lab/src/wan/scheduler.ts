import { performance } from 'node:perf_hooks';

/** A try may be interrupted between its two clocks; then it says too little. */
const TRIES = 50;

/** By how much the machine's monotonic clock is ahead of this thread's `performance.now()`, milliseconds. */
function aheadMs(): number {
  let ahead = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < TRIES; i += 1) {
    ahead = Math.max(ahead, Number(process.hrtime.bigint()) / 1e6 - performance.now());
  }
  return ahead;
}

const AHEAD_MS = aheadMs();

/**
 * Milliseconds of the machine's monotonic clock with a fraction: the same in all threads and processes. It is read
 * some thirty thousand times a second, and `hrtime.bigint()` leaves an object behind each time: garbage whose collection is a pause.
 */
export const monotonicMs = (): number => performance.now() + AHEAD_MS;

export interface Scheduler {
  now(): number;
  /** Runs the action at `dueMs`; actions of the same time run in the order they were given. */
  at(dueMs: number, action: (dueMs: number) => void): void;
}

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly action: (dueMs: number) => void;
}

const before = (a: Entry, b: Entry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);

/** What is due when: a binary heap. It reads no clock. */
export class DueQueue {
  #heap: Entry[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  get nextDueMs(): number | undefined {
    return this.#heap[0]?.dueMs;
  }

  push(dueMs: number, action: (dueMs: number) => void): void {
    const entry = { dueMs, order: this.#order, action };
    this.#order += 1;
    let index = this.#heap.length;
    this.#heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || !before(entry, parent)) break;
      this.#heap[index] = parent;
      index = parentIndex;
    }
    this.#heap[index] = entry;
  }

  /** Runs what is due by `nowMs`, also what these actions add if that is due too. */
  runDue(nowMs: number): void {
    for (let head = this.#heap[0]; head !== undefined && head.dueMs <= nowMs; head = this.#heap[0]) {
      this.#removeHead();
      head.action(head.dueMs);
    }
  }

  clear(): void {
    this.#heap = [];
  }

  #removeHead(): void {
    const last = this.#heap.pop();
    const size = this.#heap.length;
    if (last === undefined || size === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#heap[childIndex];
      if (child === undefined) break;
      const right = this.#heap[childIndex + 1];
      if (right !== undefined && before(right, child)) {
        childIndex += 1;
        child = right;
      }
      if (!before(child, last)) break;
      this.#heap[index] = child;
      index = childIndex;
    }
    this.#heap[index] = last;
  }
}

/** Farther off than this the event loop sleeps by a timer, whose granularity is 1 ms and which may be late by one. */
const COARSE_MS = 2.5;
/** Nearer than that the thread naps in slices of at most this, between which sockets are read. */
const NAP_MS = 0.1;
/**
 * A nap lasts longer than asked by about this (timer slack of 50 us and the way back into the thread). So near to what is due next
 * the thread looks at the clock and at nothing else: going round the event loop instead would leave behind, many times for each
 * packet, what has to be collected afterwards.
 */
const OVERSLEEP_MS = 0.07;

/**
 * Runs actions within a fraction of a millisecond of their time. `setTimeout` alone is too coarse and
 * spinning burns a core, so the last stretch is spent in short futex waits and the very last in looking at the clock. Idle, it costs nothing.
 */
export class PreciseScheduler implements Scheduler {
  readonly #queue = new DueQueue();
  readonly #bed = new Int32Array(new SharedArrayBuffer(4));
  #timer: { readonly handle: NodeJS.Timeout; readonly dueMs: number } | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #closed = false;

  now(): number {
    return monotonicMs();
  }

  at(dueMs: number, action: (dueMs: number) => void): void {
    if (this.#closed) return;
    this.#queue.push(dueMs, action);
    this.#arm();
  }

  /** What is still due is forgotten. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
    clearTimeout(this.#timer?.handle);
    clearImmediate(this.#immediate);
  }

  readonly #tick = (): void => {
    this.#immediate = undefined;
    this.#timer = undefined;
    this.#queue.runDue(monotonicMs());
    const next = this.#queue.nextDueMs;
    if (next !== undefined && !this.#closed) this.#approach(next);
    this.#arm();
  };

  /** Waits a little, unless what is due next is far off; runs it if that brings its time. */
  #approach(dueMs: number): void {
    let waitMs = dueMs - monotonicMs();
    if (waitMs > COARSE_MS) return;
    const napMs = Math.min(waitMs - OVERSLEEP_MS, NAP_MS);
    if (napMs > 0) {
      Atomics.wait(this.#bed, 0, 0, napMs);
      waitMs = dueMs - monotonicMs();
    }
    if (waitMs > OVERSLEEP_MS) return;
    let nowMs = monotonicMs();
    while (nowMs < dueMs) nowMs = monotonicMs();
    this.#queue.runDue(nowMs);
  }

  #arm(): void {
    const dueMs = this.#queue.nextDueMs;
    if (dueMs === undefined || this.#closed || this.#immediate !== undefined) return;
    if (this.#timer !== undefined && this.#timer.dueMs <= dueMs) return;
    const waitMs = dueMs - monotonicMs();
    clearTimeout(this.#timer?.handle);
    if (waitMs > COARSE_MS) {
      this.#timer = { handle: setTimeout(this.#tick, Math.floor(waitMs - 2)), dueMs };
    } else {
      this.#timer = undefined;
      this.#immediate = setImmediate(this.#tick);
    }
  }
}
