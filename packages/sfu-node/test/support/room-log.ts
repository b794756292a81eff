import {
  Epoch,
  NodeId,
  type Participant,
  ProducerId,
  type ProducerInfo,
  Region,
  type RoomEvent,
  type RoomEventEnvelope,
  RoomId,
  type RoomSnapshot,
  SessionId,
  UserId,
} from '@meridian/protocol';

export const ROOM = RoomId.parse('room');

export function participant(name: string, epoch = 1, nodeId = 'ams-1'): Participant {
  return {
    sessionId: SessionId.parse(name),
    userId: UserId.parse(`user-${name}`),
    name,
    nodeId: NodeId.parse(nodeId),
    region: Region.parse('eu-west'),
    epoch: Epoch.parse(epoch),
    // One stay in the room has one time of joining.
    joinedAtMs: epoch,
    connection: 'connected',
  };
}

export function producer(name: string, owner: string, nodeId = 'ams-1'): ProducerInfo {
  return {
    producerId: ProducerId.parse(name),
    sessionId: SessionId.parse(owner),
    nodeId: NodeId.parse(nodeId),
    kind: 'audio',
    source: 'microphone',
    paused: false,
  };
}

/** A room's history as Redis makes it: each change raises the revision by one. */
export class RoomLog {
  readonly events: RoomEventEnvelope[] = [];
  readonly snapshots: RoomSnapshot[];
  #participants = new Map<SessionId, Participant>();
  #producers = new Map<ProducerId, ProducerInfo>();
  #revision: number;
  #epoch = 0;

  constructor(startsAt = 100) {
    this.#revision = startsAt;
    this.snapshots = [this.snapshot()];
  }

  get revision(): number {
    return this.#revision;
  }

  snapshot(): RoomSnapshot {
    return {
      roomId: ROOM,
      revision: this.#revision,
      participants: [...this.#participants.values()],
      producers: [...this.#producers.values()],
      dataProducers: [],
    };
  }

  join(name: string, nodeId = 'ams-1'): Participant {
    const joined = participant(name, ++this.#epoch, nodeId);
    if (this.#participants.has(joined.sessionId)) this.#closeAll(joined.sessionId);
    this.#participants.set(joined.sessionId, joined);
    this.#emit({ type: 'participant-joined', participant: joined });
    return joined;
  }

  /** To another node, under a newer epoch: what it published before stays until it has left there. */
  move(name: string, nodeId: string): void {
    const known = this.#participants.get(SessionId.parse(name));
    if (known === undefined) return;
    const { epoch } = participant(name, ++this.#epoch);
    const moved = { ...known, epoch, nodeId: NodeId.parse(nodeId) };
    this.#participants.set(known.sessionId, moved);
    this.#emit({ type: 'participant-updated', participant: moved });
  }

  /** It has left the nodes from which it moved. */
  settle(name: string): void {
    const known = this.#participants.get(SessionId.parse(name));
    if (known !== undefined) this.#close(known.sessionId, (one) => one.nodeId !== known.nodeId);
  }

  leave(name: string): void {
    const known = this.#participants.get(SessionId.parse(name));
    if (known === undefined) return;
    this.#closeAll(known.sessionId);
    this.#participants.delete(known.sessionId);
    this.#emit({ type: 'participant-left', sessionId: known.sessionId, epoch: known.epoch, reason: 'left' });
  }

  publish(id: string, owner: string): void {
    const known = this.#participants.get(SessionId.parse(owner));
    if (known === undefined) return;
    const opened = producer(id, owner, known.nodeId);
    this.#producers.set(opened.producerId, opened);
    this.#emit({ type: 'producer-opened', producer: opened });
  }

  pause(id: string, paused: boolean): void {
    const known = this.#producers.get(ProducerId.parse(id));
    if (known === undefined || known.paused === paused) return;
    this.#producers.set(known.producerId, { ...known, paused });
    this.#emit({ type: 'producer-updated', producerId: known.producerId, paused });
  }

  #closeAll(sessionId: SessionId): void {
    this.#close(sessionId, () => true);
  }

  #close(sessionId: SessionId, which: (producer: ProducerInfo) => boolean): void {
    for (const one of [...this.#producers.values()]) {
      if (one.sessionId !== sessionId || !which(one)) continue;
      this.#producers.delete(one.producerId);
      this.#emit({ type: 'producer-closed', producerId: one.producerId, sessionId });
    }
  }

  #emit(event: RoomEvent): void {
    this.#revision += 1;
    this.events.push({ roomId: ROOM, revision: this.#revision, event });
    this.snapshots.push(this.snapshot());
  }
}
