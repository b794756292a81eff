import { type DataProducerInfo, MeridianError } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { type Handler, lane } from './context.ts';
import { showToRoom } from './show-to-room.ts';

export const publishData: Handler<'publish-data'> = {
  order: ({ label }) => lane(`label:${label}`),
  async handle({ transportId, label, protocol, sctpStreamParameters }, context) {
    const { services, session } = context;
    const { participant } = session;
    const { room, roomId, media, published } = participant;
    const { sessionId } = participant.self;
    requireGrant(participant.grants, 'publish');
    const release = published.reserveDataProducer(services.config.maxDataProducers);
    try {
      const dataProducerId = await media.produceData({ transportId, label, protocol, sctpStreamParameters });
      if (participant.closed) throw new MeridianError('session-lost');
      const info: DataProducerInfo = { dataProducerId, sessionId, nodeId: services.nodeId, label, protocol };
      published.addDataProducer(info);
      try {
        const open = () => services.roomState.openDataProducer(roomId, participant.self.epoch, info);
        await showToRoom(context, dataProducerId, { type: 'data-producer-opened', dataProducer: info }, open);
      } catch (error) {
        published.removeDataProducer(dataProducerId);
        if (!participant.closed) media.closeDataProducer(dataProducerId);
        room.tellHere({ type: 'data-producer-closed', dataProducerId, sessionId });
        void services.chores.run(`producer:${dataProducerId}`, () =>
          services.roomState.closeDataProducer(roomId, dataProducerId),
        );
        throw error;
      }
      return { dataProducerId };
    } finally {
      release();
    }
  },
};
