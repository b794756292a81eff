import type { SessionId, UserId } from '@meridian/protocol';
import type { Session } from './session.ts';

/** The sessions that are attached to this node: one per session id, the newest. */
export class Sessions {
  readonly #byId = new Map<SessionId, Session>();

  get size(): number {
    return this.#byId.size;
  }

  get all(): readonly Session[] {
    return [...this.#byId.values()];
  }

  /** Sessions that are in a room, suspended ones included. */
  get joined(): number {
    let count = 0;
    for (const { inRoom } of this.#byId.values()) if (inRoom !== undefined) count += 1;
    return count;
  }

  /** Those that wait for their client to come back. */
  get suspended(): number {
    let count = 0;
    for (const { phase } of this.#byId.values()) if (phase === 'suspended') count += 1;
    return count;
  }

  /** Sessions of that user. */
  countOf(userId: UserId): number {
    let count = 0;
    for (const { claims } of this.#byId.values()) if (claims.sub === userId) count += 1;
    return count;
  }

  has(sessionId: SessionId): boolean {
    return this.#byId.has(sessionId);
  }

  find(sessionId: SessionId): Session | undefined {
    return this.#byId.get(sessionId);
  }

  /**
   * Makes an attached session the one of its id, if it is the newest. Returns who has to go: the older
   * attachment, or the session itself when a newer one was quicker; undefined when nobody has.
   */
  put(session: Session): Session | undefined {
    const known = this.#byId.get(session.sessionId);
    if (known !== undefined && known.lease.epoch > session.lease.epoch) return session;
    this.#byId.set(session.sessionId, session);
    return known;
  }

  /** Forgets the session, unless another one has its id by now. */
  remove(session: Session): void {
    if (this.#byId.get(session.sessionId) === session) this.#byId.delete(session.sessionId);
  }
}
