import type { NodeAnnouncement, SessionLeases } from '@meridian/cluster';
import type { MediaEngine } from '@meridian/media';
import type { NodeLoad, RoomId } from '@meridian/protocol';
import type { Chores } from './chores.ts';
import type { Cancel, Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import { restoreLeases } from './sessions/restore-leases.ts';
import type { SessionState } from './sessions/session.ts';

export interface PresenceOptions {
  readonly announcement: Pick<NodeAnnouncement, 'record' | 'update' | 'on' | 'puttingBack'>;
  readonly leases: Pick<SessionLeases, 'restore' | 'end'>;
  readonly sessions: { readonly size: number; readonly all: readonly { readonly state: SessionState }[] };
  readonly rooms: {
    readonly size: number;
    readonly all: readonly { readonly roomId: RoomId; restore(): Promise<void> }[];
    gap(): void;
  };
  readonly media: Pick<MediaEngine, 'load'>;
  readonly chores: Chores;
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

  /**
   * Redis had lost the node: everything that it holds is announced anew, until that has succeeded. As long as it has not,
   * others do not take for dead what is missing.
   */
  #restore(): void {
    const { announcement, leases, sessions, rooms, chores, log } = this.#options;
    const { nodeId } = announcement.record;
    log.warn({ sessions: sessions.size, rooms: rooms.size }, 'the cluster had lost this node: announcing all anew');
    const chore = (what: string, work: () => Promise<unknown>) =>
      announcement.puttingBack(chores.run(`restore:${what}`, work));
    chore('leases', () => restoreLeases({ nodeId, leases, sessions }));
    for (const room of rooms.all) chore(room.roomId, () => room.restore());
  }
}
