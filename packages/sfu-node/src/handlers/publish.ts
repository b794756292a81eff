import { MeridianError, type ProducerInfo } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { type Handler, lane } from './context.ts';
import { showToRoom } from './show-to-room.ts';

/** Makes the producer, then shows it to the room; what the room refuses is not kept. */
export const publish: Handler<'publish'> = {
  order: ({ source }) => lane(`source:${source}`),
  async handle({ transportId, kind, source, rtpParameters, paused }, context) {
    const { services, session } = context;
    const { participant } = session;
    const { room, roomId, media, published } = participant;
    const { sessionId } = participant.self;
    requireGrant(participant.grants, 'publish');
    const release = published.reserveSource(source);
    try {
      const producerId = await media.produce({ transportId, kind, source, rtpParameters, paused });
      if (participant.closed) throw new MeridianError('session-lost');
      const info: ProducerInfo = { producerId, sessionId, nodeId: services.nodeId, kind, source, paused };
      published.addProducer(info);
      try {
        // With what holds then: its connection may have been resumed, and asked again later it may have been muted.
        const open = () =>
          services.roomState.openProducer(roomId, participant.self.epoch, published.producer(producerId) ?? info);
        await showToRoom(context, producerId, { type: 'producer-opened', producer: info }, open);
      } catch (error) {
        published.removeProducer(producerId);
        if (!participant.closed) media.closeProducer(producerId);
        room.tellHere({ type: 'producer-closed', producerId, sessionId });
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
