import type { EndReason, MediaSource, Participant, ProducerId, ProducerInfo, SessionId } from '@meridian/protocol';

/** What changed for whoever looks at the room. */
export type RosterChange =
  | { readonly type: 'participant-joined'; readonly participant: Participant }
  | { readonly type: 'participant-updated'; readonly participant: Participant }
  | { readonly type: 'participant-left'; readonly participant: Participant; readonly reason: EndReason }
  | { readonly type: 'producer-opened'; readonly producer: ProducerInfo }
  | { readonly type: 'producer-updated'; readonly producer: ProducerInfo }
  | { readonly type: 'producer-closed'; readonly producer: ProducerInfo };

const byArrival = (a: Participant, b: Participant) =>
  a.joinedAtMs - b.joinedAtMs || (a.sessionId < b.sessionId ? -1 : 1);

/** Who is in the room and what they publish, as the node last said. Each change returns what it changed. */
export class Roster {
  #participants = new Map<SessionId, Participant>();
  #producers = new Map<ProducerId, ProducerInfo>();

  /** In order of arrival. */
  get participants(): readonly Participant[] {
    return [...this.#participants.values()].sort(byArrival);
  }

  get producers(): readonly ProducerInfo[] {
    return [...this.#producers.values()];
  }

  participant(sessionId: SessionId): Participant | undefined {
    return this.#participants.get(sessionId);
  }

  producer(producerId: ProducerId): ProducerInfo | undefined {
    return this.#producers.get(producerId);
  }

  producerOf(sessionId: SessionId, source: MediaSource): ProducerInfo | undefined {
    return this.producers.find((one) => one.sessionId === sessionId && one.source === source);
  }

  /** A whole new picture, after a join: says only what differs from the one before. */
  reset(snapshot: { participants: readonly Participant[]; producers: readonly ProducerInfo[] }): RosterChange[] {
    const changes: RosterChange[] = [];
    const present = new Set(snapshot.participants.map(({ sessionId }) => sessionId));
    for (const { sessionId } of this.participants) {
      if (!present.has(sessionId)) changes.push(...this.left(sessionId, 'left'));
    }
    const published = new Set(snapshot.producers.map(({ producerId }) => producerId));
    for (const { producerId } of this.producers) {
      if (!published.has(producerId)) changes.push(...this.producerClosed(producerId));
    }
    for (const participant of snapshot.participants) changes.push(...this.joined(participant));
    for (const producer of snapshot.producers) changes.push(...this.producerOpened(producer));
    return changes;
  }

  /** Also when a newer connection of somebody who is here already took over. */
  joined(participant: Participant): RosterChange[] {
    const known = this.#participants.get(participant.sessionId);
    this.#participants.set(participant.sessionId, participant);
    if (known === undefined) return [{ type: 'participant-joined', participant }];
    return JSON.stringify(known) === JSON.stringify(participant) ? [] : [{ type: 'participant-updated', participant }];
  }

  left(sessionId: SessionId, reason: EndReason): RosterChange[] {
    const participant = this.#participants.get(sessionId);
    if (participant === undefined) return [];
    this.#participants.delete(sessionId);
    const theirs = this.producers.filter((producer) => producer.sessionId === sessionId);
    return [
      ...theirs.flatMap(({ producerId }) => this.producerClosed(producerId)),
      { type: 'participant-left', participant, reason },
    ];
  }

  producerOpened(producer: ProducerInfo): RosterChange[] {
    const known = this.#producers.get(producer.producerId);
    this.#producers.set(producer.producerId, producer);
    if (known === undefined) return [{ type: 'producer-opened', producer }];
    return known.paused === producer.paused ? [] : [{ type: 'producer-updated', producer }];
  }

  producerPaused(producerId: ProducerId, paused: boolean): RosterChange[] {
    const known = this.#producers.get(producerId);
    if (known === undefined || known.paused === paused) return [];
    return this.producerOpened({ ...known, paused });
  }

  producerClosed(producerId: ProducerId): RosterChange[] {
    const producer = this.#producers.get(producerId);
    if (producer === undefined) return [];
    this.#producers.delete(producerId);
    return [{ type: 'producer-closed', producer }];
  }
}
