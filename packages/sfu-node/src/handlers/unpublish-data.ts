import { MeridianError } from '@meridian/protocol';
import { type Handler, lane } from './context.ts';

export const unpublishData: Handler<'unpublish-data'> = {
  order: ({ dataProducerId }) => lane(dataProducerId),
  async handle({ dataProducerId }, { services, session }) {
    const { media, published, room, roomId, self } = session.participant;
    if (!published.removeDataProducer(dataProducerId)) throw new MeridianError('producer-not-found');
    media.closeDataProducer(dataProducerId);
    const tellHere = () => room.tellHere({ type: 'data-producer-closed', dataProducerId, sessionId: self.sessionId });
    void services.chores.run(
      `producer:${dataProducerId}`,
      () => services.roomState.closeDataProducer(roomId, dataProducerId),
      { onPutOff: tellHere, onDone: tellHere },
    );
    return {};
  },
};
