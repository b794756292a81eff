import { MeridianError } from '@meridian/protocol';
import { type Handler, lane } from './context.ts';

export const unpublish: Handler<'unpublish'> = {
  order: ({ producerId }) => lane(producerId),
  async handle({ producerId }, { services, session }) {
    const { media, published, room, roomId, self } = session.participant;
    if (!published.removeProducer(producerId)) throw new MeridianError('producer-not-found');
    media.closeProducer(producerId);
    // The stream is closed whatever Redis says; the room hears of it as soon as it can.
    const tellHere = () => room.tellHere({ type: 'producer-closed', producerId, sessionId: self.sessionId });
    void services.chores.run(`producer:${producerId}`, () => services.roomState.closeProducer(roomId, producerId), {
      onPutOff: tellHere,
      // Where its opening was put off the state knows nothing of it and tells nobody.
      onDone: tellHere,
    });
    return {};
  },
};
