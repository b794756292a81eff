import type { RoomState } from '@meridian/cluster';
import type { RoomId, RoomSnapshot } from '@meridian/protocol';
import { backoffMs } from '../backoff.ts';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { LocalParticipant } from './local-participant.ts';
import type { Members } from './members.ts';
import { isThere, participantIn } from './own-part.ts';
import type { RoomMirror } from './room-mirror.ts';

export interface ResyncOptions {
  readonly roomId: RoomId;
  readonly state: RoomState;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** See NodeRoomOptions. */
  readonly settleMs: number;
  readonly mirror: RoomMirror;
  readonly members: Members;
  /** The room is closed. */
  readonly signal: AbortSignal;
  /** See NodeRoomHooks. @throws what Redis says */
  readonly askWhetherAlive: () => Promise<void>;
  /** The state as it is, read well: the mirror is to be brought to it. */
  readonly believe: (snapshot: RoomSnapshot) => void;
}

/**
 * Reads a room's state again after events of it were missed, until it was read well: not before the other nodes had time
 * to announce theirs, not older than whoever has come in meanwhile, and with the members of this node, who are put back
 * where they were lost.
 */
export class Resync {
  readonly #options: ResyncOptions;
  #running: Promise<void> | undefined;
  /** No snapshot that was read before this moment is believed. */
  #settledAtMs = Number.NEGATIVE_INFINITY;
  /** Own participants that the next snapshot lacks were lost, not removed. */
  #putBack = false;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  /** What is read from now on may lack what was lost: it is believed when all had time to announce theirs. */
  unsettle(): void {
    this.#putBack = true;
    this.#settledAtMs = this.#options.clock.now() + this.#options.settleMs;
    this.start();
  }

  /**
   * The state lacks a member, and it is not known why. Where the node was taken for dead, all its people are back when
   * this resolves.
   * @throws what Redis says
   */
  async lookAgain(): Promise<void> {
    const { askWhetherAlive, members, signal } = this.#options;
    if (!this.#putBack) await askWhetherAlive();
    if (this.#putBack && !signal.aborted) await members.restore();
  }

  /** Reads the state again, until it was read well. Single flight. */
  start(): void {
    if (this.#running !== undefined || this.#options.signal.aborted) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    const { clock, random, log, signal, mirror, members, believe } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const waitMs = this.#settledAtMs - clock.now();
      if (waitMs > 0) await pause(clock, waitMs, signal);
      try {
        const askedMs = clock.now();
        const here = new Set(members.all);
        const snapshot = await this.#read();
        if (signal.aborted) return;
        if (askedMs < this.#settledAtMs) continue;
        // Somebody has come in meanwhile, and it was read before that.
        const isOld = (one: LocalParticipant) => !here.has(one) && !isThere(one, participantIn(snapshot, one));
        if (members.all.some(isOld)) continue;
        this.#putBack = false;
        believe(snapshot);
        if (!mirror.hasGap) return;
      } catch (error) {
        log.warn({ err: error, attempt }, 'the room could not be read again');
      }
      await pause(clock, backoffMs({ firstMs: 250, mostMs: 5_000 }, attempt, random()), signal);
    }
  }

  async #read(): Promise<RoomSnapshot> {
    const { roomId, state, signal, mirror, members, askWhetherAlive } = this.#options;
    mirror.expectSnapshot();
    const snapshot = await state.snapshot(roomId);
    if (signal.aborted) return snapshot;
    // Put out, or swept and that was not heard: only in the latter case it is put back.
    const isAnyoneMissing = members.all.some((member) => !isThere(member, participantIn(snapshot, member)));
    if (isAnyoneMissing && !this.#putBack) await askWhetherAlive();
    const complete = members.all.every((member) => participantIn(snapshot, member)?.epoch === member.self.epoch);
    if (signal.aborted || complete || !this.#putBack) return snapshot;
    // Swept while this node was cut off, or lost with Redis: its media runs, so it is still in the room.
    mirror.expectSnapshot();
    return await members.restore();
  }
}
