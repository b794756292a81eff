import { isMeridianError, MeridianError } from '@meridian/protocol';
import { pause } from '../clock.ts';
import { requireGrant } from '../rooms/grants.ts';
import { free, type Handler } from './context.ts';

/** Whoever kicks waits for the room's state no longer than this, milliseconds. */
const STATE_MS = 1_000;

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
      const ownEpoch = services.rooms.find(roomId)?.ownEpoch(sessionId, epoch) ?? epoch;
      const told = services.ender.endSession(sessionId, ownEpoch, 'kicked');
      // Gone it is at once; the room's state hears of it when Redis is there.
      const late = new AbortController();
      await Promise.race([told, pause(services.clock, STATE_MS, late.signal)]);
      late.abort();
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
