import { type DropReason, LinkModel, type OfferedPacket, type Verdict } from './model/link-model.ts';
import type { LinkChange, LinkSettings, LinkState } from './model/settings.ts';

export interface LinkCounters {
  /** Packets offered, those repeated by byte streams after a full queue or an outage not counted twice. */
  readonly offered: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly lost: number;
  readonly queueDrops: number;
  readonly outageDrops: number;
}

/** One direction of a link at work: the model, what went through it, and who wants to know of changes. */
export class Link {
  readonly name: string;
  readonly #model: LinkModel;
  readonly #listeners = new Set<() => void>();
  #offered = 0;
  #delivered = 0;
  #deliveredBytes = 0;
  readonly #drops: Record<DropReason, number> = { loss: 0, queue: 0, outage: 0 };

  constructor(options: { name: string; settings: LinkSettings; seed: number }) {
    this.name = options.name;
    this.#model = new LinkModel(options);
  }

  offer(packet: OfferedPacket, nowMs: number): Verdict {
    const verdict = this.#model.offer(packet, nowMs);
    if (verdict.kind === 'deliver') {
      this.#offered += 1;
      this.#delivered += 1;
      this.#deliveredBytes += packet.bytes;
    } else if (packet.reliable !== true) {
      this.#offered += 1;
      this.#drops[verdict.reason] += 1;
    }
    return verdict;
  }

  change(change: LinkChange, nowMs: number): void {
    this.#model.change(change, nowMs);
    this.#announce();
  }

  startSchedule(nowMs: number): void {
    this.#model.startSchedule(nowMs);
    this.#announce();
  }

  stateAt(nowMs: number): LinkState {
    return this.#model.stateAt(nowMs);
  }

  counters(): LinkCounters {
    return {
      offered: this.#offered,
      delivered: this.#delivered,
      deliveredBytes: this.#deliveredBytes,
      lost: this.#drops.loss,
      queueDrops: this.#drops.queue,
      outageDrops: this.#drops.outage,
    };
  }

  /** The listener is called after each change by hand or start of the schedule. Returns how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
