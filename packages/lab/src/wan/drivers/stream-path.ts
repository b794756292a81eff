import type { Link } from '../link.ts';
import type { Scheduler } from '../scheduler.ts';

export interface Segment {
  /** On the wire, with headers. */
  readonly bytes: number;
  /** Called when it has come through. */
  readonly deliver: () => void;
}

interface Hop {
  readonly link: Link;
  /** What could not enter the link yet: its queue is full or it is out. */
  readonly waiting: Segment[];
  lastOutMs: number;
}

/**
 * Sends the segments of one direction of a byte stream over a row of links: nothing is lost, order is kept. A
 * full queue or an outage holds segments back until there is room; a change of a link lets them try again.
 */
export class StreamPath {
  readonly #hops: readonly Hop[];
  readonly #scheduler: Scheduler;
  readonly #stopListening: (() => void)[];
  #closed = false;

  constructor(options: { links: readonly Link[]; scheduler: Scheduler }) {
    this.#scheduler = options.scheduler;
    this.#hops = options.links.map((link) => ({ link, waiting: [], lastOutMs: Number.NEGATIVE_INFINITY }));
    this.#stopListening = this.#hops.map((hop, index) =>
      hop.link.onChange(() => this.#retry(index, this.#scheduler.now())),
    );
  }

  send(segment: Segment): void {
    this.#enter(0, segment, this.#scheduler.now());
  }

  /** What is on its way is forgotten. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#stopListening) stop();
    for (const hop of this.#hops) hop.waiting.length = 0;
  }

  #enter(index: number, segment: Segment, atMs: number): void {
    if (this.#closed) return;
    const hop = this.#hops[index];
    if (hop === undefined) segment.deliver();
    else if (hop.waiting.length > 0 || !this.#offer(hop, index, segment, atMs)) hop.waiting.push(segment);
  }

  /** False: not taken; it will be tried again when there may be room. */
  #offer(hop: Hop, index: number, segment: Segment, atMs: number): boolean {
    const verdict = hop.link.offer({ bytes: segment.bytes, reliable: true }, atMs);
    if (verdict.kind === 'drop') {
      // Never the same instant: a link clamps times that went back, so it might refuse the same again.
      const retryAtMs = Math.max(verdict.retryAtMs, atMs + 0.05);
      if (Number.isFinite(retryAtMs)) this.#scheduler.at(retryAtMs, (dueMs) => this.#retry(index, dueMs));
      return false;
    }
    hop.lastOutMs = Math.max(hop.lastOutMs, verdict.atMs);
    this.#scheduler.at(hop.lastOutMs, (dueMs) => this.#enter(index + 1, segment, dueMs));
    return true;
  }

  #retry(index: number, atMs: number): void {
    const hop = this.#hops[index];
    if (hop === undefined || this.#closed) return;
    for (let next = hop.waiting[0]; next !== undefined; next = hop.waiting[0]) {
      if (!this.#offer(hop, index, next, atMs)) return;
      hop.waiting.shift();
    }
  }
}
