import type { RemoteTrack, Room } from '@meridian/client';
import type { MediaSource, Participant } from '@meridian/protocol';

/** One picture that is shown: of somebody's camera or screen. */
export interface Picture {
  readonly track: MediaStreamTrack;
}

/** A person as the page shows them. */
export interface Person {
  readonly participant: Participant;
  readonly isSelf: boolean;
  readonly micOn: boolean;
  readonly camera: Picture | undefined;
  readonly screen: Picture | undefined;
}

/** Everybody in the room, ourselves last. */
export function peopleOf(room: Room): Person[] {
  const self = room.self.sessionId;
  const others = room.participants.filter(({ sessionId }) => sessionId !== self);
  return [...others.map((participant) => otherOf(room, participant)), selfOf(room)];
}

function selfOf(room: Room): Person {
  const own = (source: MediaSource): Picture | undefined => {
    const publication = room.publication(source);
    if (publication === undefined || publication.track === null || publication.muted) return undefined;
    return { track: publication.track };
  };
  const microphone = room.publication('microphone');
  return {
    participant: room.self,
    isSelf: true,
    micOn: microphone !== undefined && microphone.track !== null && !microphone.muted,
    camera: own('camera'),
    screen: own('screen'),
  };
}

function otherOf(room: Room, participant: Participant): Person {
  const { sessionId } = participant;
  const picture = (source: MediaSource): Picture | undefined => {
    const producer = room.producerOf(sessionId, source);
    if (producer === undefined || producer.paused) return undefined;
    const remote = room.trackOf(sessionId, source);
    return remote && { track: remote.track };
  };
  const microphone = room.producerOf(sessionId, 'microphone');
  return {
    participant,
    isSelf: false,
    micOn: microphone !== undefined && !microphone.paused,
    camera: picture('camera'),
    screen: picture('screen'),
  };
}

/** Everything that is to be heard. */
export const soundsOf = (room: Room): RemoteTrack[] => [...room.tracks.values()].filter(({ kind }) => kind === 'audio');

/**
 * Who gets a tile when there are more people than places: ourselves, those who speak, those with a
 * picture, then by arrival. The order on the page stays that of arrival, so that tiles do not jump.
 */
export function chooseVisible(people: readonly Person[], places: number, speaking: ReadonlySet<string>): Person[] {
  if (people.length <= places) return [...people];
  const rank = ({ isSelf, participant, camera }: Person): number => {
    if (isSelf) return 0;
    if (speaking.has(participant.sessionId)) return 1;
    return camera === undefined ? 3 : 2;
  };
  const chosen = new Set(people.toSorted((a, b) => rank(a) - rank(b)).slice(0, places));
  return people.filter((person) => chosen.has(person));
}
