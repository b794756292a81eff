import { isMeridianError, MeridianError } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { free, type Handler } from './context.ts';

/** A moderator removes a participant, wherever it sits. */
export const kick: Handler<'kick'> = {
  order: () => free,
  async handle({ sessionId }, { services, session }) {
    const { participant } = session;
    const { roomId, room } = participant;
    requireGrant(participant.grants, 'moderate');
    const target = services.rooms.find(roomId)?.participant(sessionId);
    if (target === undefined) throw new MeridianError('not-found', { message: 'Nobody of that id is in the room.' });
    const { nodeId, epoch } = target;
    session.log.info({ roomId: room.roomId, kicked: sessionId, nodeId }, 'kick');
    if (nodeId === services.nodeId) {
      await services.ender.endSession(sessionId, epoch, 'kicked');
      return {};
    }
    try {
      await services.inbox.request(nodeId, 'session.end', { roomId, sessionId, epoch, reason: 'kicked' });
    } catch (error) {
      if (!isMeridianError(error, 'node-unknown') && !isMeridianError(error, 'deadline-exceeded')) throw error;
      // Its node does not answer: out of the room's state at least. The node ends it when it hears of that.
      await services.roomState.leave({ roomId, sessionId, epoch, reason: 'kicked' });
    }
    return {};
  },
};
