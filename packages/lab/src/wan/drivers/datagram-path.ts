import type { Link } from '../link.ts';
import type { DropReason } from '../model/link-model.ts';
import type { Scheduler } from '../scheduler.ts';

/** IPv4 and UDP headers: what a datagram takes of a link's rate besides its payload, bytes. */
export const UDP_HEADERS = 28;

/** Told the fate of every datagram; times are of the scheduler's clock. */
export interface DatagramObserver {
  delivered(payload: Buffer, arrivedMs: number, dueMs: number, sentMs: number): void;
  dropped(payload: Buffer, arrivedMs: number, reason: DropReason): void;
}

/**
 * Sends datagrams over a row of links. Each link is offered the packet at the time at which the one before
 * lets it out, not when the thread got round to it, so lateness does not add up along the way.
 */
export class DatagramPath {
  readonly #links: readonly Link[];
  readonly #scheduler: Scheduler;
  readonly #observer: DatagramObserver | undefined;

  constructor(options: { links: readonly Link[]; scheduler: Scheduler; observer?: DatagramObserver | undefined }) {
    this.#links = options.links;
    this.#scheduler = options.scheduler;
    this.#observer = options.observer;
  }

  send(payload: Buffer, deliver: (payload: Buffer) => void): void {
    const arrivedMs = this.#scheduler.now();
    this.#travel(0, payload, arrivedMs, arrivedMs, deliver);
  }

  #travel(hop: number, payload: Buffer, arrivedMs: number, atMs: number, deliver: (payload: Buffer) => void): void {
    const link = this.#links[hop];
    if (link === undefined) {
      deliver(payload);
      this.#observer?.delivered(payload, arrivedMs, atMs, this.#scheduler.now());
      return;
    }
    const verdict = link.offer({ bytes: payload.length + UDP_HEADERS }, atMs);
    if (verdict.kind === 'drop') this.#observer?.dropped(payload, arrivedMs, verdict.reason);
    else this.#scheduler.at(verdict.atMs, (dueMs) => this.#travel(hop + 1, payload, arrivedMs, dueMs, deliver));
  }
}
