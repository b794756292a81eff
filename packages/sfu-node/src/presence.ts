import type { NodeAnnouncement, SessionLeases } from '@meridian/cluster';
import type { MediaEngine } from '@meridian/media';
import type { NodeLoad } from '@meridian/protocol';
import type { Cancel, Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { NodeRooms } from './rooms/node-rooms.ts';
import { restoreLeases } from './sessions/restore-leases.ts';
import type { Sessions } from './sessions/sessions.ts';

export interface PresenceOptions {
  readonly announcement: NodeAnnouncement;
  readonly leases: SessionLeases;
  readonly sessions: Sessions;
  readonly rooms: NodeRooms;
  readonly media: MediaEngine;
  readonly maxSessions: number;
  /** What this machine's clock lacks to be that of Redis, milliseconds. */
  readonly clockOffsetMs: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs?: number;
}

/** Keeps what the cluster knows of this node true: its load, and after an outage its sessions and rooms. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #undo: Cancel[];
  #restoring: Promise<void> | undefined;
  #restoreAgain = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { announcement, rooms, clock, log, everyMs = 1_000 } = options;
    this.#undo = [
      clock.every(everyMs, () => this.#tellLoad()),
      announcement.on('restored', () => {
        // At once: whoever is missing in a room from now on was lost with this node, and nobody put it out.
        rooms.gap();
        this.#restore();
      }),
      announcement.on('lost', (cause) => log.error({ err: cause }, 'this node has dropped out of the cluster')),
    ];
    this.#tellLoad();
  }

  close(): void {
    for (const undo of this.#undo) undo();
  }

  #tellLoad(): void {
    const { announcement, log, clockOffsetMs } = this.#options;
    announcement
      .update({ load: this.#load(), clockOffsetMs: clockOffsetMs() })
      .catch((error: unknown) => log.debug({ err: error }, 'load not told'));
  }

  #load(): NodeLoad {
    const { media, sessions, rooms, maxSessions } = this.#options;
    const { consumers, workers, workerCpu } = media.load();
    return {
      sessions: sessions.size,
      maxSessions,
      consumers,
      workers,
      rooms: rooms.size,
      workerCpu: Math.min(1, Math.max(0, workerCpu)),
    };
  }

  /** Redis had lost the node: everything that it holds is announced anew. Single flight, repeated if asked meanwhile. */
  #restore(): void {
    if (this.#restoring !== undefined) {
      this.#restoreAgain = true;
      return;
    }
    const { announcement, leases, sessions, rooms, log } = this.#options;
    const { nodeId } = announcement.record;
    log.warn({ sessions: sessions.size, rooms: rooms.size }, 'the cluster had lost this node: announcing all anew');
    const run = async () => {
      await restoreLeases({ nodeId, leases, sessions }).catch((error: unknown) =>
        log.error({ err: error }, 'the leases could not be announced anew'),
      );
      await rooms.restoreAll();
    };
    this.#restoring = run().finally(() => {
      this.#restoring = undefined;
      if (!this.#restoreAgain) return;
      this.#restoreAgain = false;
      this.#restore();
    });
  }
}
