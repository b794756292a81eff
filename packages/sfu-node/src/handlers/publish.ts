import { MeridianError, type ProducerInfo } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { type Handler, lane } from './context.ts';

/** Makes the producer, then shows it to the room; what cannot be shown is not kept. */
export const publish: Handler<'publish'> = {
  order: ({ source }) => lane(`source:${source}`),
  async handle({ transportId, kind, source, rtpParameters, paused }, { services, session }) {
    const { participant } = session;
    const { roomId, media, published } = participant;
    const { sessionId, epoch } = participant.self;
    requireGrant(participant.grants, 'publish');
    const release = published.reserveSource(source);
    try {
      const producerId = await media.produce({ transportId, kind, source, rtpParameters, paused });
      if (participant.closed) throw new MeridianError('session-lost');
      const info: ProducerInfo = { producerId, sessionId, nodeId: services.nodeId, kind, source, paused };
      published.addProducer(info);
      try {
        if (!(await services.roomState.openProducer(roomId, epoch, info))) throw new MeridianError('session-lost');
      } catch (error) {
        published.removeProducer(producerId);
        if (!participant.closed) media.closeProducer(producerId);
        // Its answer may have been lost on the way: then the room shows it.
        void services.chores.run(`producer:${producerId}`, () => services.roomState.closeProducer(roomId, producerId));
        throw error;
      }
      return { producerId };
    } finally {
      release();
    }
  },
};
