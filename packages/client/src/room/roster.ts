import type { EndReason, MediaSource, Participant, ProducerId, ProducerInfo, SessionId } from '@meridian/protocol';

/** What changed for whoever looks at the room. */
export type RosterChange =
  | { readonly type: 'participant-joined'; readonly participant: Participant }
  | { readonly type: 'participant-updated'; readonly participant: Participant }
  | { readonly type: 'participant-left'; readonly participant: Participant; readonly reason: EndReason }
  | { readonly type: 'producer-opened'; readonly producer: ProducerInfo }
  | { readonly type: 'producer-updated'; readonly producer: ProducerInfo }
  /** The same source of the same person, published anew: the one before goes by itself. */
  | { readonly type: 'producer-replaced'; readonly before: ProducerInfo; readonly producer: ProducerInfo }
  | { readonly type: 'producer-closed'; readonly producer: ProducerInfo };

/** What one person sends of one kind: one thing to look at or to hear, whichever producers it comes from. */
export type SlotKey = `${SessionId}/${MediaSource}`;

export const slotOf = ({ sessionId, source }: { sessionId: SessionId; source: MediaSource }): SlotKey =>
  `${sessionId}/${source}`;

export interface RosterSnapshot {
  readonly participants: readonly Participant[];
  readonly producers: readonly ProducerInfo[];
}

const byArrival = (a: Participant, b: Participant) =>
  a.joinedAtMs - b.joinedAtMs || (a.sessionId < b.sessionId ? -1 : 1);

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Who is in the room and what they publish, as one node last said. Each change returns what it changed. While a
 * producer takes the place of another one both are there: the newest is the one that counts.
 */
export class Roster {
  #participants = new Map<SessionId, Participant>();
  readonly #self: SessionId | undefined;
  /** Of each slot, in order of opening; never empty. */
  #slots = new Map<SlotKey, readonly ProducerInfo[]>();

  /** @param self whose producers are not listed: what we publish ourselves we know better */
  constructor(self?: SessionId) {
    this.#self = self;
  }

  /** In order of arrival. */
  get participants(): readonly Participant[] {
    return [...this.#participants.values()].sort(byArrival);
  }

  /** One for each thing that somebody publishes. */
  get producers(): readonly ProducerInfo[] {
    return [...this.#slots.values()].flatMap((slot) => slot.at(-1) ?? []);
  }

  participant(sessionId: SessionId): Participant | undefined {
    return this.#participants.get(sessionId);
  }

  /** Also one that is being replaced. */
  producer(producerId: ProducerId): ProducerInfo | undefined {
    for (const slot of this.#slots.values()) {
      const found = slot.find((one) => one.producerId === producerId);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Is there a producer that takes the place of this one? */
  isReplaced(producerId: ProducerId): boolean {
    return [...this.#slots.values()].some((slot) => slot.some(({ replaces }) => replaces === producerId));
  }

  producerOf(sessionId: SessionId, source: MediaSource): ProducerInfo | undefined {
    return this.#slots.get(slotOf({ sessionId, source }))?.at(-1);
  }

  /** A whole new picture, after a join: says only what differs from the one before. */
  reset(snapshot: RosterSnapshot): RosterChange[] {
    const after = new Roster(this.#self);
    for (const participant of snapshot.participants) after.joined(participant);
    for (const producer of snapshot.producers.toSorted(replacementsLast(snapshot.producers))) {
      after.producerOpened(producer);
    }
    const changes = after.changesSince(this);
    this.#participants = after.#participants;
    this.#slots = after.#slots;
    return changes;
  }

  /** What somebody who has seen `before` has to be told to see this. */
  changesSince(before: Roster): RosterChange[] {
    const changes: RosterChange[] = [];
    for (const participant of this.participants) {
      const known = before.participant(participant.sessionId);
      if (known === undefined) changes.push({ type: 'participant-joined', participant });
      else if (!same(known, participant)) changes.push({ type: 'participant-updated', participant });
    }
    for (const producer of this.producers) {
      const known = before.producerOf(producer.sessionId, producer.source);
      changes.push(...topChanged(known, producer));
    }
    for (const producer of before.producers) {
      if (this.producerOf(producer.sessionId, producer.source) === undefined) {
        changes.push({ type: 'producer-closed', producer });
      }
    }
    for (const participant of before.participants) {
      if (this.participant(participant.sessionId) === undefined) {
        changes.push({ type: 'participant-left', participant, reason: 'left' });
      }
    }
    return changes;
  }

  /** Also when a newer connection of somebody who is here already took over. */
  joined(participant: Participant): RosterChange[] {
    const known = this.#participants.get(participant.sessionId);
    this.#participants.set(participant.sessionId, participant);
    if (known === undefined) return [{ type: 'participant-joined', participant }];
    return same(known, participant) ? [] : [{ type: 'participant-updated', participant }];
  }

  left(sessionId: SessionId, reason: EndReason): RosterChange[] {
    const participant = this.#participants.get(sessionId);
    if (participant === undefined) return [];
    this.#participants.delete(sessionId);
    const closed: RosterChange[] = [];
    for (const producer of this.producers) {
      if (producer.sessionId !== sessionId) continue;
      this.#slots.delete(slotOf(producer));
      closed.push({ type: 'producer-closed', producer });
    }
    return [...closed, { type: 'participant-left', participant, reason }];
  }

  producerOpened(producer: ProducerInfo): RosterChange[] {
    if (producer.sessionId === this.#self) return [];
    const key = slotOf(producer);
    const slot = this.#slots.get(key) ?? [];
    const known = slot.some(({ producerId }) => producerId === producer.producerId);
    const next = known
      ? slot.map((one) => (one.producerId === producer.producerId ? producer : one))
      : [...slot, producer];
    return this.#put(key, next);
  }

  producerPaused(producerId: ProducerId, paused: boolean): RosterChange[] {
    const known = this.producer(producerId);
    return known === undefined ? [] : this.producerOpened({ ...known, paused });
  }

  producerClosed(producerId: ProducerId): RosterChange[] {
    const known = this.producer(producerId);
    if (known === undefined) return [];
    const key = slotOf(known);
    return this.#put(key, this.#slots.get(key)?.filter((one) => one.producerId !== producerId) ?? []);
  }

  #put(key: SlotKey, next: readonly ProducerInfo[]): RosterChange[] {
    const before = this.#slots.get(key)?.at(-1);
    const after = next.at(-1);
    if (after === undefined) {
      this.#slots.delete(key);
      return before === undefined ? [] : [{ type: 'producer-closed', producer: before }];
    }
    this.#slots.set(key, next);
    return topChanged(before, after);
  }
}

function topChanged(before: ProducerInfo | undefined, producer: ProducerInfo): RosterChange[] {
  if (before === undefined) return [{ type: 'producer-opened', producer }];
  if (before.producerId !== producer.producerId) return [{ type: 'producer-replaced', before, producer }];
  return before.paused === producer.paused ? [] : [{ type: 'producer-updated', producer }];
}

/** A snapshot has no order: who takes the place of somebody in it comes after them. */
function replacementsLast(producers: readonly ProducerInfo[]): (a: ProducerInfo, b: ProducerInfo) => number {
  const known = new Map(producers.map((producer) => [producer.producerId, producer]));
  const depth = (producer: ProducerInfo, seen: readonly ProducerId[] = []): number => {
    const before = producer.replaces === undefined ? undefined : known.get(producer.replaces);
    if (before === undefined || seen.includes(before.producerId)) return 0;
    return 1 + depth(before, [...seen, before.producerId]);
  };
  return (a, b) => depth(a) - depth(b);
}
