import type { SessionEnder } from '../sessions/end-session.ts';
import type { Handovers } from '../sessions/handovers.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Guest } from './drain.ts';

/** The sessions of this node, as a drain sees them. */
export function guestsOf(options: { sessions: Sessions; handovers: Handovers; ender: SessionEnder }): readonly Guest[] {
  const { sessions, handovers, ender } = options;
  return sessions.all.map((session) => {
    const { inRoom } = session;
    const hasMoved = inRoom !== undefined && handovers.has(inRoom);
    return {
      joined: inRoom,
      hasMoved,
      // A connection that is lost just now hears of it when it is back.
      ask: (deadlineMs) => session.notify('move-asked', { reason: 'draining', deadlineMs }),
      end: () => void ender.endAttachment(session, hasMoved ? 'moved' : 'node-shutdown'),
    };
  });
}
