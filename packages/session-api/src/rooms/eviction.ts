import type { RoomState } from '@meridian/cluster';
import type { EndReason, RoomId, UserId } from '@meridian/protocol';
import type { Room, Rooms } from '@meridian/store';
import type { Logger } from '../logger.ts';
import { pause, untilClusterAnswers } from '../retry.ts';

/**
 * How long an eviction is remembered, milliseconds. The store refuses those people for good; this stops a join that had
 * passed the store's check a moment before, and a node that was cut off and puts back what it held.
 */
const KEEP_MS = 3_600_000;
/** How long whoever asked waits for Redis at most, milliseconds. */
const WAIT_MS = 1_500;

export interface EvictionOptions {
  readonly state: Pick<RoomState, 'expel' | 'readmit'>;
  readonly rooms: Pick<Rooms, 'members'>;
  readonly log: Logger;
}

/**
 * Lets a change of who may enter a room reach the call that is under way in it. The change stands in the store by
 * then; while Redis is away the call goes on, and the eviction follows when it is back.
 */
export class Eviction {
  readonly #options: EvictionOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  /** Somebody is no member of a private room any more: `left` by themselves, or `kicked` by the owner. */
  async member(room: Room, userId: UserId, reason: Extract<EndReason, 'left' | 'kicked'>): Promise<void> {
    await this.#run(room.roomId, async () => ({ who: { formerMember: userId }, reason }));
  }

  /** The room is private now: its owner and members stay. */
  async visitors(room: Room): Promise<void> {
    await this.#run(room.roomId, async () => {
      const members = await this.#options.rooms.members(room.roomId);
      return { who: { allBut: [room.ownerId, ...members.map(({ userId }) => userId)] }, reason: 'kicked' };
    });
  }

  /** Idempotent. What waits for Redis is given up. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #run(
    roomId: RoomId,
    whom: () => Promise<Pick<Parameters<RoomState['expel']>[0], 'who' | 'reason'>>,
  ): Promise<void> {
    const { state, log } = this.#options;
    const { signal } = this.#stop;
    const expel = async () => {
      const { who, reason } = await whom();
      const evicted = await untilClusterAnswers(() => state.expel({ roomId, who, reason, forMs: KEEP_MS }), {
        signal,
        onFirstFailure: (err) => log.warn({ err, roomId }, 'people leave the room when Redis is back'),
      });
      if (evicted !== undefined && evicted > 0) log.info({ roomId, evicted }, 'put out of a running call');
    };
    const work = expel()
      .catch((err: unknown) => log.error({ err, roomId }, 'people could not be put out of a room'))
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
    await Promise.race([work, pause(WAIT_MS, signal)]);
  }
}
