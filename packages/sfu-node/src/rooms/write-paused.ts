import type { RoomState } from '@meridian/cluster';
import type { ProducerId } from '@meridian/protocol';
import type { Chores } from '../chores.ts';
import type { LocalParticipant } from './local-participant.ts';

/** Has the room's state say whether a producer of a participant here is paused, as that stands when it is written. */
export function writePaused(
  { chores, state }: { readonly chores: Chores; readonly state: Pick<RoomState, 'setProducerPaused'> },
  { published, room, roomId }: Pick<LocalParticipant, 'published' | 'room' | 'roomId'>,
  producerId: ProducerId,
): void {
  const tellHere = () => {
    const paused = published.producer(producerId)?.paused;
    if (paused !== undefined) room.tellHere({ type: 'producer-updated', producerId, paused });
  };
  const write = async () => {
    const paused = published.producer(producerId)?.paused;
    if (paused !== undefined) await state.setProducerPaused(roomId, producerId, paused);
  };
  // Also when it is done: where an earlier change was put off and never written, the state sees none now.
  void chores.run(`paused:${producerId}`, write, { onPutOff: tellHere, onDone: tellHere });
}
