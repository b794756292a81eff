import { type MediaSource, MeridianError, type ProducerId, type ProducerInfo } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';
import { type Handler, lane } from './context.ts';
import { showToRoom } from './show-to-room.ts';

/** Makes the producer, then shows it to the room; what the room refuses is not kept. */
export const publish: Handler<'publish'> = {
  order: ({ source }) => lane(`source:${source}`),
  async handle({ transportId, kind, source, rtpParameters, paused, replaces: asked }, context) {
    const { services, session } = context;
    const { participant } = session;
    const { room, roomId, media, published } = participant;
    const { sessionId } = participant.self;
    requireGrant(participant.grants, 'publish');
    const replaces = asked === undefined ? undefined : replacedBy(participant, asked, source);
    const release = published.reserveSource(source);
    try {
      const producerId = await media.produce({ transportId, kind, source, rtpParameters, paused });
      if (participant.closed) throw new MeridianError('session-lost');
      const info: ProducerInfo = {
        producerId,
        sessionId,
        nodeId: services.nodeId,
        kind,
        source,
        paused,
        ...(replaces === undefined ? {} : { replaces }),
      };
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

/**
 * The own producer that a new one is to take the place of; none where it is gone already (its node crashed meanwhile).
 * @throws MeridianError `bad-request` for another session's, or one of another source
 */
function replacedBy(
  { room, self }: LocalParticipant,
  producerId: ProducerId,
  source: MediaSource,
): ProducerId | undefined {
  const former = room.producer(producerId);
  if (former === undefined) return undefined;
  if (former.sessionId !== self.sessionId || former.source !== source) {
    throw new MeridianError('bad-request', { message: 'Only an own producer of the same source can be replaced.' });
  }
  return producerId;
}
