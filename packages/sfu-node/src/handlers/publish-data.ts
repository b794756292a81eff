import { type DataProducerInfo, MeridianError } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { type Handler, lane } from './context.ts';

export const publishData: Handler<'publish-data'> = {
  order: ({ label }) => lane(`label:${label}`),
  async handle({ transportId, label, protocol, sctpStreamParameters }, { services, session }) {
    const { participant } = session;
    const { roomId, media, published } = participant;
    const { sessionId, epoch } = participant.self;
    requireGrant(participant.grants, 'publish');
    const release = published.reserveDataProducer(services.config.maxDataProducers);
    try {
      const dataProducerId = await media.produceData({ transportId, label, protocol, sctpStreamParameters });
      if (participant.closed) throw new MeridianError('session-lost');
      const info: DataProducerInfo = { dataProducerId, sessionId, nodeId: services.nodeId, label, protocol };
      published.addDataProducer(info);
      try {
        if (!(await services.roomState.openDataProducer(roomId, epoch, info))) {
          throw new MeridianError('session-lost');
        }
      } catch (error) {
        published.removeDataProducer(dataProducerId);
        if (!participant.closed) media.closeDataProducer(dataProducerId);
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
