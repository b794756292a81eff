import { isMeridianError, MeridianError, type Participant, type RoomId } from '@meridian/protocol';
import { pause } from '../clock.ts';
import { requireGrant } from '../rooms/grants.ts';
import { free, type Handler, type Services } from './context.ts';

/** Whoever kicks waits for the room's state no longer than this, milliseconds. */
const STATE_MS = 1_000;

/**
 * A moderator removes somebody, wherever they sit: all sessions of that user leave the room, and the user is kept out
 * for a while. Of their own sessions moderators remove the named one alone, and nobody is kept out.
 */
export const kick: Handler<'kick'> = {
  order: () => free,
  async handle({ sessionId }, { services, session }) {
    const { participant } = session;
    const { roomId } = participant;
    requireGrant(participant.grants, 'moderate');
    const target = services.rooms.find(roomId)?.participant(sessionId);
    if (target === undefined) throw new MeridianError('not-found', { message: 'Nobody of that id is in the room.' });
    session.log.info({ roomId, kicked: sessionId, userId: target.userId, nodeId: target.nodeId }, 'kick');
    if (target.userId === participant.self.userId) await removeOne(services, roomId, target);
    else await removeUser(services, roomId, target);
    return {};
  },
};

async function removeUser(services: Services, roomId: RoomId, { userId }: Participant): Promise<void> {
  const { rooms, nodeId, roomState, config, chores } = services;
  const expel = () => roomState.expel({ roomId, who: { userId }, reason: 'kicked', forMs: config.kickBanMs });
  const here = (rooms.find(roomId)?.participants ?? []).filter((one) => one.userId === userId && one.nodeId === nodeId);
  if (here.length === 0) {
    await expel();
    return;
  }
  const ended = here.map((one) => endHere(services, roomId, one));
  await shortly(services, Promise.all([...ended, chores.run(`kick:${roomId}:${userId}`, expel)]));
}

async function removeOne(services: Services, roomId: RoomId, target: Participant): Promise<void> {
  if (await endWhereSeen(services, roomId, target)) return;
  // It has moved, or its page was loaded anew, and that was not heard here yet. Its node hears of it from the state.
  const { sessionId } = target;
  const { participants } = await services.roomState.snapshot(roomId);
  const found = participants.find((one) => one.sessionId === sessionId);
  if (found !== undefined) {
    await services.roomState.leave({ roomId, sessionId, epoch: found.epoch, reason: 'kicked' });
  }
}

/** Returns false where the participant is not there (any more). */
async function endWhereSeen(services: Services, roomId: RoomId, target: Participant): Promise<boolean> {
  const { nodeId, sessionId, epoch } = target;
  if (nodeId === services.nodeId) {
    let isThere = true;
    const ending = endHere(services, roomId, target).then((ended) => {
      isThere = ended;
    });
    await shortly(services, ending);
    return isThere;
  }
  try {
    const asked = { roomId, sessionId, epoch, reason: 'kicked' } as const;
    return (await services.inbox.request(nodeId, 'session.end', asked)).ended;
  } catch (error) {
    if (!isMeridianError(error, 'node-unknown') && !isMeridianError(error, 'deadline-exceeded')) throw error;
    // Its node does not answer: out of the room's state at least. The node ends it when it hears of that.
    await services.roomState.leave({ roomId, sessionId, epoch, reason: 'kicked' });
    return true;
  }
}

function endHere({ rooms, ender }: Services, roomId: RoomId, { sessionId, epoch }: Participant): Promise<boolean> {
  return ender.endSession(sessionId, rooms.find(roomId)?.ownEpoch(sessionId, epoch) ?? epoch, 'kicked');
}

/** Gone they are at once; the room's state hears of it when Redis is there. */
async function shortly({ clock }: Services, told: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  await Promise.race([told, pause(clock, STATE_MS, late.signal)]);
  late.abort();
}
