import { independentOffset, wanderingOffset } from './jitter.ts';
import { LossProcess } from './loss.ts';
import { seedOf } from './random.ts';
import type { LinkChange, LinkSettings, LinkState } from './settings.ts';
import { Timeline } from './timeline.ts';

export interface OfferedPacket {
  /** On the wire, with IP and transport headers. */
  readonly bytes: number;
  /** Part of a byte stream that its sender repeats until it arrives: exempt from random loss. */
  readonly reliable?: boolean;
}

export type DropReason = 'loss' | 'queue' | 'outage';

export type Verdict =
  | { readonly kind: 'deliver'; readonly atMs: number }
  | {
      readonly kind: 'drop';
      readonly reason: DropReason;
      /** The earliest time at which the same packet might be taken; Infinity when none is known. */
      readonly retryAtMs: number;
    };

/**
 * One direction of a link, as a pure state machine: `offer` says at once when a packet will come out or why
 * it will not. A packet waits in a bounded queue before the bottleneck, is sent at the link's rate, may be
 * lost, and travels for delay plus jitter. The clock is the caller's (milliseconds); the model never reads one.
 *
 * Every decision is made when the packet is offered, from the schedule as it is known then. A change made
 * later by hand does not touch packets already taken.
 */
export class LinkModel {
  readonly #timeline: Timeline;
  readonly #loss: LossProcess;
  readonly #jitterSeed: number;
  #jitterOriginMs: number | undefined;
  /** Packets that entered the link: the number of the next draw of independent jitter. */
  #taken = 0;
  #latestMs = Number.NEGATIVE_INFINITY;
  /** When the bottleneck has sent all it holds. */
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #backlog: { departsMs: number; bytes: number }[] = [];
  #backlogBytes = 0;
  #lastOutMs = Number.NEGATIVE_INFINITY;

  constructor(options: { settings: LinkSettings; seed: number }) {
    this.#timeline = new Timeline(options.settings);
    this.#loss = new LossProcess(seedOf(options.seed, 'loss'));
    this.#jitterSeed = seedOf(options.seed, 'jitter');
  }

  /**
   * Offers a packet at `nowMs`. Times should not go back; one that does counts as the latest seen, since packets
   * of other paths may have been offered in between.
   */
  offer(packet: OfferedPacket, nowMs: number): Verdict {
    const now = Math.max(nowMs, this.#latestMs);
    this.#latestMs = now;
    this.#jitterOriginMs ??= now;
    const state = this.#timeline.at(now);
    const reliable = packet.reliable === true;
    const lost = reliable ? false : this.#loss.next(state.loss);
    if (state.outage) return this.#outage(now);

    this.#drain(now);
    const fitsAtMs = this.#fitsAtMs(packet.bytes, state, now);
    if (fitsAtMs > now) return { kind: 'drop', reason: 'queue', retryAtMs: fitsAtMs };
    const departsMs = this.#timeline.transmittedMs(Math.max(now, this.#busyUntilMs), packet.bytes);
    const atDeparture = this.#timeline.at(departsMs);
    if (atDeparture.outage) return this.#outage(departsMs);

    if (departsMs > now) {
      this.#busyUntilMs = departsMs;
      this.#backlog.push({ departsMs, bytes: packet.bytes });
      this.#backlogBytes += packet.bytes;
    }
    const outMs = this.#outMs(departsMs, atDeparture);
    this.#taken += 1;
    if (lost) return { kind: 'drop', reason: 'loss', retryAtMs: now };
    if (atDeparture.jitter?.reorder === true) return { kind: 'deliver', atMs: outMs };
    this.#lastOutMs = Math.max(this.#lastOutMs, outMs);
    return { kind: 'deliver', atMs: this.#lastOutMs };
  }

  /** Second 0 of the schedule is now; wandering jitter starts anew too, so that a run repeats itself. */
  startSchedule(nowMs: number): void {
    this.#timeline.startSchedule(nowMs);
    this.#jitterOriginMs = nowMs;
  }

  change(change: LinkChange, nowMs: number): void {
    this.#timeline.change(change, nowMs);
  }

  stateAt(nowMs: number): LinkState {
    return this.#timeline.at(nowMs);
  }

  /** Bytes that wait for the bottleneck or are being sent at `nowMs`. */
  backlogBytes(nowMs: number): number {
    this.#drain(nowMs);
    return this.#backlogBytes;
  }

  #outage(atMs: number): Verdict {
    return { kind: 'drop', reason: 'outage', retryAtMs: this.#timeline.outageEndMs(atMs) };
  }

  #outMs(departsMs: number, state: LinkState): number {
    if (state.jitter === null) return departsMs + state.delayMs;
    const offset = state.jitter.reorder
      ? independentOffset(state.jitter, this.#jitterSeed, this.#taken)
      : wanderingOffset(state.jitter, this.#jitterSeed, departsMs - (this.#jitterOriginMs ?? departsMs));
    return departsMs + Math.max(0, state.delayMs + offset);
  }

  /** When the queue has room for so many bytes: `now` if it has. An idle link takes any packet. */
  #fitsAtMs(bytes: number, state: LinkState, now: number): number {
    if (this.#backlog.length === 0) return now;
    if ('ms' in state.queue) return Math.max(now, this.#busyUntilMs - state.queue.ms);
    let held = this.#backlogBytes;
    if (held + bytes <= state.queue.bytes) return now;
    for (const waiting of this.#backlog) {
      held -= waiting.bytes;
      if (held + bytes <= state.queue.bytes) return waiting.departsMs;
    }
    return this.#busyUntilMs;
  }

  #drain(now: number): void {
    let gone = 0;
    for (const waiting of this.#backlog) {
      if (waiting.departsMs > now) break;
      this.#backlogBytes -= waiting.bytes;
      gone += 1;
    }
    if (gone > 0) this.#backlog.splice(0, gone);
  }
}
