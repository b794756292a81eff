import type { NodeId, RoomEventEnvelope, RoomSnapshot, SessionId } from '@meridian/protocol';

/** What the state of one room must be: the rules of admission, confirmation, leaving and sweeping, in few words. */
export class RoomModel {
  readonly participants = new Map<SessionId, { epoch: number; nodeId: NodeId; term: number }>();
  readonly places = new Map<SessionId, { epoch: number; nodeId: NodeId }>();
  /** Raised whenever a node dies: what it wrote before is not its own any more. */
  readonly terms = new Map<NodeId, number>();
  readonly dead = new Set<NodeId>();

  admit(sessionId: SessionId, epoch: number, nodeId: NodeId): 'admitted' | 'session-replaced' {
    if (this.#heldAbove(sessionId, epoch)) return 'session-replaced';
    this.places.set(sessionId, { epoch, nodeId });
    return 'admitted';
  }

  confirm(sessionId: SessionId, epoch: number, nodeId: NodeId): 'confirmed' | 'session-replaced' | 'place-expired' {
    if (this.#heldAbove(sessionId, epoch)) return 'session-replaced';
    if (this.places.get(sessionId)?.nodeId !== nodeId) return 'place-expired';
    this.places.delete(sessionId);
    this.participants.set(sessionId, { epoch, nodeId, term: this.termOf(nodeId) });
    return 'confirmed';
  }

  leave(sessionId: SessionId, epoch: number): boolean {
    if ((this.places.get(sessionId)?.epoch ?? Number.POSITIVE_INFINITY) <= epoch) this.places.delete(sessionId);
    const held = this.participants.get(sessionId);
    if (held === undefined || held.epoch > epoch) return false;
    this.participants.delete(sessionId);
    return true;
  }

  die(nodeId: NodeId): void {
    this.dead.add(nodeId);
  }

  /** A new process of the node: nothing of the former one is its own. */
  restart(nodeId: NodeId): void {
    this.terms.set(nodeId, this.termOf(nodeId) + 1);
    this.dead.delete(nodeId);
  }

  /** The same process again, announcing what it holds. */
  comeBack(nodeId: NodeId, holds: ReadonlyMap<SessionId, number>): void {
    this.restart(nodeId);
    const term = this.termOf(nodeId);
    for (const [sessionId, epoch] of holds) {
      const held = this.participants.get(sessionId);
      const same = held?.epoch === epoch && held.nodeId === nodeId;
      if (held === undefined || held.epoch < epoch || same) this.participants.set(sessionId, { epoch, nodeId, term });
    }
  }

  sweep(): void {
    for (const [sessionId, { nodeId, term }] of this.participants) {
      if (this.dead.has(nodeId) || term < this.termOf(nodeId)) this.participants.delete(sessionId);
    }
  }

  sweepDead(): void {
    for (const [sessionId, { nodeId }] of this.participants) {
      if (this.dead.has(nodeId)) this.participants.delete(sessionId);
    }
  }

  termOf(nodeId: NodeId): number {
    return this.terms.get(nodeId) ?? 0;
  }

  #heldAbove(sessionId: SessionId, epoch: number): boolean {
    const newest = Math.max(this.participants.get(sessionId)?.epoch ?? -1, this.places.get(sessionId)?.epoch ?? -1);
    return newest > epoch;
  }
}

/** The room as somebody sees it who only hears its events. @throws Error when a revision is missing or comes twice */
export function replay(events: readonly RoomEventEnvelope[]) {
  const participants = new Map<SessionId, number>();
  const producers = new Map<string, SessionId>();
  let last: number | undefined;
  const byRevision = new Map(events.map((envelope) => [envelope.revision, envelope]));
  for (const revision of [...byRevision.keys()].sort((a, b) => a - b)) {
    const envelope = byRevision.get(revision);
    if (envelope === undefined) continue;
    // An empty room is gone, and the next life of it starts at a later revision.
    if (last !== undefined && revision !== last + 1 && participants.size > 0) {
      throw new Error(`after revision ${last} came ${revision}`);
    }
    last = revision;
    const { event } = envelope;
    switch (event.type) {
      case 'participant-joined':
      case 'participant-updated':
        participants.set(event.participant.sessionId, event.participant.epoch);
        break;
      case 'participant-left':
        if (participants.get(event.sessionId) !== event.epoch) throw new Error('somebody left who was not there');
        participants.delete(event.sessionId);
        if ([...producers.values()].includes(event.sessionId)) throw new Error('a producer outlived its participant');
        break;
      case 'producer-opened':
        producers.set(event.producer.producerId, event.producer.sessionId);
        break;
      case 'producer-closed':
        if (!producers.delete(event.producerId)) throw new Error('a producer was closed that was not open');
        break;
      default:
        throw new Error(`unexpected ${event.type}`);
    }
  }
  return { participants, producers };
}

/** The same view of a snapshot. */
export function seen(snapshot: RoomSnapshot) {
  return {
    participants: new Map(snapshot.participants.map(({ sessionId, epoch }) => [sessionId, Number(epoch)])),
    producers: new Map(snapshot.producers.map(({ producerId, sessionId }) => [String(producerId), sessionId])),
  };
}
