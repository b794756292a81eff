import { MeridianError, type ProducerId } from '@meridian/protocol';
import type { RequestContext } from './context.ts';

/** First the media, then the room's state: nobody is told of a silence that is not there yet. */
export async function setProducerPaused(
  { services, session }: RequestContext,
  producerId: ProducerId,
  paused: boolean,
): Promise<void> {
  const { participant } = session;
  const { media, published, room, roomId } = participant;
  if (published.producer(producerId) === undefined) throw new MeridianError('producer-not-found');
  if (paused) await media.pauseProducer(producerId);
  else await media.resumeProducer(producerId);
  published.setPaused(producerId, paused);
  if (participant.closed) return;
  const tellHere = () => room.tellHere({ type: 'producer-updated', producerId, paused });
  // Also when it is done: where an earlier change was put off and never written, the state sees none now.
  void services.chores.run(
    `paused:${producerId}`,
    () => services.roomState.setProducerPaused(roomId, producerId, paused),
    { onPutOff: tellHere, onDone: tellHere },
  );
}
