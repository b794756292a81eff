import { isMeridianError, MeridianError, type RoomEvent } from '@meridian/protocol';
import type { RequestContext } from './context.ts';

/**
 * Shows something that was just published to the room. While Redis is away the people on this node see it at once, and
 * everybody else when Redis is back: a call must not lose its new microphone to an outage.
 * @param open writes it into the room's state; false: the participant is not there any more
 * @throws MeridianError `session-lost`, or what else is wrong; the caller then closes what it has made
 */
export async function showToRoom(
  { services, session }: RequestContext,
  id: string,
  opened: RoomEvent,
  open: () => Promise<boolean>,
): Promise<void> {
  const { participant } = session;
  const room = services.rooms.find(participant.roomId);
  try {
    if (await open()) return;
    // Put out, or this node was taken for dead a moment ago.
    await room?.lookAgain();
    if (participant.closed || !(await open())) throw new MeridianError('session-lost');
  } catch (error) {
    if (participant.closed || !isPutOff(error)) throw error;
    session.log.info({ id }, 'Redis is away: shown on this node only, for now');
    // Nobody is there to show it to where the state has lost the participant too: it is put back with all it publishes.
    void services.chores.run(`producer:${id}`, open);
    room?.tellHere(opened);
  }
}

/** Redis may have done what it was asked although nobody heard of it; in any case it can be asked again. */
export function isPutOff(error: unknown): boolean {
  return isMeridianError(error, 'cluster-unavailable') || isMeridianError(error, 'deadline-exceeded');
}
