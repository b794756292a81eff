import {
  assertNever,
  type DataProducerId,
  type DataProducerInfo,
  type NodeId,
  type Participant,
  type ProducerId,
  type ProducerInfo,
  type RoomEvent,
  type RoomEventEnvelope,
  type RoomSnapshot,
  type SessionId,
} from '@meridian/protocol';

/**
 * - `unprimed`: no snapshot yet; events wait for it.
 * - `exact`: the state at `revision`; events count up from there.
 * - `loose`: revisions cannot be trusted (the subscription stood still, or Redis lost its data and the
 *   nodes are announcing anew): events are facts that are taken as they come, and nobody is believed
 *   to be gone until the next snapshot says so.
 */
export type MirrorMode = 'unprimed' | 'exact' | 'loose';

export type Applied =
  | { readonly outcome: 'applied'; readonly changes: RoomEvent[] }
  /** Waits for a snapshot: before the first one, or because a revision is missing. */
  | { readonly outcome: 'held'; readonly gap: boolean }
  | { readonly outcome: 'stale' };

/** A participant is on another node than before, in the same stay in the room. */
export interface Move {
  readonly sessionId: SessionId;
  readonly from: NodeId;
  readonly to: NodeId;
}

/**
 * A room's state as this node knows it. Pure: returns what really changed, so that nobody is told
 * twice, and a snapshot is turned into the changes that lead to it.
 */
export class RoomMirror {
  readonly #participants = new Map<SessionId, Participant>();
  readonly #producers = new Map<ProducerId, ProducerInfo>();
  readonly #dataProducers = new Map<DataProducerId, DataProducerInfo>();
  #held: RoomEventEnvelope[] = [];
  #moves: Move[] = [];
  #revision = 0;
  /** Of everything that was applied. */
  #latest = 0;
  /** Of the youngest snapshot that was merged. */
  #merged = 0;
  #mode: MirrorMode = 'unprimed';

  get mode(): MirrorMode {
    return this.#mode;
  }

  get revision(): number {
    return this.#revision;
  }

  get participants(): readonly Participant[] {
    return [...this.#participants.values()];
  }

  get producers(): readonly ProducerInfo[] {
    return [...this.#producers.values()];
  }

  get dataProducers(): readonly DataProducerInfo[] {
    return [...this.#dataProducers.values()];
  }

  participant(sessionId: SessionId): Participant | undefined {
    return this.#participants.get(sessionId);
  }

  producer(producerId: ProducerId): ProducerInfo | undefined {
    return this.#producers.get(producerId);
  }

  dataProducer(dataProducerId: DataProducerId): DataProducerInfo | undefined {
    return this.#dataProducers.get(dataProducerId);
  }

  /** Participants that went from one node to another since this was last asked. */
  takeMoves(): readonly Move[] {
    const moves = this.#moves;
    this.#moves = [];
    return moves;
  }

  /**
   * A snapshot is about to be read: what waits until now will be in it. (Also where Redis was lost and
   * counts from the beginning again: old numbers must not look like a gap for ever.)
   */
  expectSnapshot(): void {
    if (this.#mode !== 'unprimed') this.#held = [];
  }

  loosen(): void {
    if (this.#mode === 'exact') this.#mode = 'loose';
  }

  apply(envelope: RoomEventEnvelope): Applied {
    switch (this.#mode) {
      case 'unprimed':
        this.#held.push(envelope);
        return { outcome: 'held', gap: false };
      case 'loose':
        // Kept as well: a snapshot read before this event must not undo it.
        this.#held.push(envelope);
        this.#latest = Math.max(this.#latest, envelope.revision);
        return { outcome: 'applied', changes: this.#take(envelope.event) };
      case 'exact':
        if (envelope.revision <= this.#revision) return { outcome: 'stale' };
        if (envelope.revision > this.#revision + 1) {
          this.#held.push(envelope);
          return { outcome: 'held', gap: true };
        }
        this.#revision = envelope.revision;
        this.#latest = envelope.revision;
        return { outcome: 'applied', changes: this.#take(envelope.event) };
      default:
        return assertNever(this.#mode);
    }
  }

  /**
   * Takes a fact that the state does not know yet: a local participant did it while Redis was away. Its event,
   * once it comes, says nothing new then.
   */
  note(event: RoomEvent): RoomEvent[] {
    return this.#take(event);
  }

  /** Takes the snapshot as the truth, then what was held and is younger. Returns the changes. */
  replace(snapshot: RoomSnapshot): RoomEvent[] {
    // Where Redis was lost, or a node was taken for dead, somebody may be put back under an epoch that is older than the
    // last one that was seen; how that came about was in events that are missing. An older snapshot does not know better.
    const isYounger = snapshot.revision >= Math.max(this.#revision, this.#merged);
    const older = this.#mode === 'loose' || isYounger ? 'believed' : 'ignored';
    const changes = [...this.#removals(snapshot), ...this.#additions(snapshot, { older })];
    this.#revision = snapshot.revision;
    this.#latest = snapshot.revision;
    if (older === 'believed') this.#merged = 0;
    this.#mode = 'exact';
    const held = this.#held.sort((a, b) => a.revision - b.revision);
    this.#held = [];
    for (const envelope of held) {
      const applied = this.apply(envelope);
      if (applied.outcome === 'applied') changes.push(...applied.changes);
    }
    return changes;
  }

  /**
   * Takes what the snapshot adds, believes nobody to be gone, and counts on from where it is. A snapshot
   * that is older than the last event says nothing new: who stands in it may have left since.
   */
  merge(snapshot: RoomSnapshot): RoomEvent[] {
    if (snapshot.revision <= this.#latest) return [];
    this.#merged = Math.max(this.#merged, snapshot.revision);
    return this.#additions(snapshot, { older: 'ignored' });
  }

  /** Are there events that wait for a revision which did not come? */
  get hasGap(): boolean {
    return this.#mode === 'exact' && this.#held.length > 0;
  }

  #take(event: RoomEvent): RoomEvent[] {
    switch (event.type) {
      case 'participant-joined':
      case 'participant-updated':
        return this.#putParticipant(event.participant);
      case 'participant-left': {
        const known = this.#participants.get(event.sessionId);
        if (known === undefined || known.epoch > event.epoch) return [];
        this.#participants.delete(event.sessionId);
        return [...this.#closePublished(event.sessionId), event];
      }
      case 'producer-opened': {
        const { producer } = event;
        if (!this.#participants.has(producer.sessionId)) return [];
        const known = this.#producers.get(producer.producerId);
        this.#producers.set(producer.producerId, producer);
        if (known === undefined) return [event];
        return known.paused === producer.paused
          ? []
          : [{ type: 'producer-updated', producerId: producer.producerId, paused: producer.paused }];
      }
      case 'producer-updated': {
        const known = this.#producers.get(event.producerId);
        if (known === undefined || known.paused === event.paused) return [];
        this.#producers.set(event.producerId, { ...known, paused: event.paused });
        return [event];
      }
      case 'producer-closed':
        return this.#producers.delete(event.producerId) ? [event] : [];
      case 'data-producer-opened': {
        const { dataProducer } = event;
        if (!this.#participants.has(dataProducer.sessionId)) return [];
        if (this.#dataProducers.has(dataProducer.dataProducerId)) return [];
        this.#dataProducers.set(dataProducer.dataProducerId, dataProducer);
        return [event];
      }
      case 'data-producer-closed':
        return this.#dataProducers.delete(event.dataProducerId) ? [event] : [];
      case 'room-ended':
        return [event];
      default:
        return assertNever(event);
    }
  }

  /**
   * A newer epoch is either the same stay in the room, resumed or moved to another node: then its streams stay, and
   * what has gone of them is told by itself. Or it took the place over: then it begins anew. One stay has one time of joining.
   */
  #putParticipant(
    participant: Participant,
    { older = 'ignored' }: { older?: 'ignored' | 'believed' } = {},
  ): RoomEvent[] {
    const known = this.#participants.get(participant.sessionId);
    if (known !== undefined && known.epoch > participant.epoch && older === 'ignored') return [];
    this.#participants.set(participant.sessionId, participant);
    if (known === undefined) return [{ type: 'participant-joined', participant }];
    if (known.epoch !== participant.epoch && known.joinedAtMs !== participant.joinedAtMs) {
      return [...this.#closePublished(participant.sessionId), { type: 'participant-joined', participant }];
    }
    if (known.nodeId !== participant.nodeId) {
      this.#moves.push({ sessionId: participant.sessionId, from: known.nodeId, to: participant.nodeId });
    }
    return sameParticipant(known, participant) ? [] : [{ type: 'participant-updated', participant }];
  }

  /** What a session published goes with it, also where no event of its own says so. */
  #closePublished(sessionId: SessionId): RoomEvent[] {
    const changes: RoomEvent[] = [];
    for (const { producerId, sessionId: owner } of this.#producers.values()) {
      if (owner === sessionId) changes.push({ type: 'producer-closed', producerId, sessionId });
    }
    for (const { dataProducerId, sessionId: owner } of this.#dataProducers.values()) {
      if (owner === sessionId) changes.push({ type: 'data-producer-closed', dataProducerId, sessionId });
    }
    for (const change of changes) this.#take(change);
    return changes;
  }

  #removals(snapshot: RoomSnapshot): RoomEvent[] {
    const present = {
      participants: new Set(snapshot.participants.map((one) => one.sessionId)),
      producers: new Set(snapshot.producers.map((one) => one.producerId)),
      dataProducers: new Set(snapshot.dataProducers.map((one) => one.dataProducerId)),
    };
    const gone: RoomEvent[] = [
      ...this.producers
        .filter((one) => !present.producers.has(one.producerId))
        .map(({ producerId, sessionId }): RoomEvent => ({ type: 'producer-closed', producerId, sessionId })),
      ...this.dataProducers
        .filter((one) => !present.dataProducers.has(one.dataProducerId))
        .map(
          ({ dataProducerId, sessionId }): RoomEvent => ({ type: 'data-producer-closed', dataProducerId, sessionId }),
        ),
      ...this.participants
        .filter((one) => !present.participants.has(one.sessionId))
        .map(
          // Why is not known: the event was missed.
          ({ sessionId, epoch }): RoomEvent => ({
            type: 'participant-left',
            sessionId,
            epoch,
            reason: 'connection-lost',
          }),
        ),
    ];
    return gone.flatMap((event) => this.#take(event));
  }

  #additions(snapshot: RoomSnapshot, options: { older: 'ignored' | 'believed' }): RoomEvent[] {
    return [
      ...snapshot.participants.flatMap((participant) => this.#putParticipant(participant, options)),
      ...snapshot.producers.flatMap((producer) => this.#take({ type: 'producer-opened', producer })),
      ...snapshot.dataProducers.flatMap((dataProducer) => this.#take({ type: 'data-producer-opened', dataProducer })),
    ];
  }
}

function sameParticipant(a: Participant, b: Participant): boolean {
  return (
    a.epoch === b.epoch &&
    a.nodeId === b.nodeId &&
    a.name === b.name &&
    a.connection === b.connection &&
    a.userId === b.userId &&
    a.region === b.region &&
    a.joinedAtMs === b.joinedAtMs
  );
}
