import { MeridianError, type ProducerId } from '@meridian/protocol';
import { writePaused } from '../rooms/write-paused.ts';
import type { RequestContext } from './context.ts';

/** First the media, then the room's state: nobody is told of a silence that is not there yet. */
export async function setProducerPaused(
  { services, session }: RequestContext,
  producerId: ProducerId,
  paused: boolean,
): Promise<void> {
  const { participant } = session;
  const { media, published } = participant;
  if (published.producer(producerId) === undefined) throw new MeridianError('producer-not-found');
  if (paused) await media.pauseProducer(producerId);
  else await media.resumeProducer(producerId);
  published.setPaused(producerId, paused);
  if (!participant.closed) writePaused({ chores: services.chores, state: services.roomState }, participant, producerId);
}
