import type { DataProducerId, NodeId, Participant, ProducerId, RoomSnapshot, SessionId } from '@meridian/protocol';
import type { LocalParticipant } from './local-participant.ts';

/** Who of a room is on this node. */
export interface OwnPart {
  readonly nodeId: NodeId;
  readonly members: ReadonlyMap<SessionId, LocalParticipant>;
  /** Is a leave of this participant on its way to the state? */
  readonly isLeaving: (participant: Participant) => boolean;
}

/** The state holds something as published here that is not. */
export type Stray = { readonly producerId: ProducerId } | { readonly dataProducerId: DataProducerId };

/**
 * The snapshot with what this node knows better: who is on it and what they publish here. Where the two differ, the
 * state has not been told yet.
 */
export function withOwn(snapshot: RoomSnapshot, { nodeId, members, isLeaving }: OwnPart): RoomSnapshot {
  const participants = snapshot.participants
    .filter((one) => one.nodeId !== nodeId || !isLeaving(one))
    .map((one) => newerOf(one, members.get(one.sessionId)));
  const present = new Map(participants.map((one) => [one.sessionId, one]));
  // Not of a member in whose place a newer attachment has come: what it published went with it.
  const own = [...members.values()].filter(({ self }) => isSameStay(present.get(self.sessionId), self));
  const ownIds = new Set(own.map(({ self }) => self.sessionId));
  const isForeign = (one: { nodeId: NodeId; sessionId: SessionId }) =>
    present.has(one.sessionId) && !(one.nodeId === nodeId && ownIds.has(one.sessionId));
  return {
    ...snapshot,
    participants,
    producers: [...snapshot.producers.filter(isForeign), ...own.flatMap(({ published }) => [...published.producers])],
    dataProducers: [
      ...snapshot.dataProducers.filter(isForeign),
      ...own.flatMap(({ published }) => [...published.dataProducers]),
    ],
  };
}

/** What stands in the snapshot as published by a member here, and is not published there (any more). */
export function straysIn(
  { producers, dataProducers }: Pick<RoomSnapshot, 'producers' | 'dataProducers'>,
  { nodeId, members }: Pick<OwnPart, 'nodeId' | 'members'>,
): Stray[] {
  const publishedBy = (one: { sessionId: SessionId; nodeId: NodeId }) =>
    one.nodeId === nodeId ? members.get(one.sessionId)?.published : undefined;
  const strays: Stray[] = [];
  for (const one of producers) {
    const published = publishedBy(one);
    if (published !== undefined && published.producer(one.producerId) === undefined) {
      strays.push({ producerId: one.producerId });
    }
  }
  for (const one of dataProducers) {
    const published = publishedBy(one);
    if (published !== undefined && published.dataProducer(one.dataProducerId) === undefined) {
      strays.push({ dataProducerId: one.dataProducerId });
    }
  }
  return strays;
}

/** What stands in the snapshot as paused and is not, or the other way round. */
export function pausedOtherwise(
  { producers }: Pick<RoomSnapshot, 'producers'>,
  { nodeId, members }: Pick<OwnPart, 'nodeId' | 'members'>,
): { readonly member: LocalParticipant; readonly producerId: ProducerId }[] {
  return producers.flatMap(({ producerId, sessionId, nodeId: at, paused }) => {
    const member = at === nodeId ? members.get(sessionId) : undefined;
    const published = member?.published.producer(producerId);
    return member === undefined || published === undefined || published.paused === paused
      ? []
      : [{ member, producerId }];
  });
}

export function participantIn(snapshot: RoomSnapshot, { self }: LocalParticipant): Participant | undefined {
  return snapshot.participants.find((one) => one.sessionId === self.sessionId);
}

/** Is a member in the state? Also under an older epoch of its own: that it was resumed has not come round yet. */
export function isThere(member: LocalParticipant, shown: Participant | undefined): boolean {
  return shown !== undefined && (shown.epoch >= member.self.epoch || member.wasOf(shown.epoch));
}

/** A participant of this node that was resumed: the state may know its former connection only. */
function newerOf(one: Participant, member: LocalParticipant | undefined): Participant {
  const self = member?.self;
  const isResumed = self?.joinedAtMs === one.joinedAtMs && self.nodeId === one.nodeId && self.epoch > one.epoch;
  return isResumed ? self : one;
}

/** One stay in the room has one time of joining, wherever it moves and however often it is resumed. */
function isSameStay(shown: Participant | undefined, self: Participant): boolean {
  return shown !== undefined && (shown.epoch === self.epoch || shown.joinedAtMs === self.joinedAtMs);
}
