import { MeridianError } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { encodeNotification } from '../signalling/outbox.ts';
import { type Handler, lane } from './context.ts';

/** The line is kept in the cluster's outbox first, then told to everybody who is in the room now. */
export const sendChat: Handler<'send-chat'> = {
  order: () => lane('chat'),
  async handle({ text }, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'chat');
    const retryAfterMs = session.chatBucket.take(services.clock.now());
    if (retryAfterMs > 0) throw new MeridianError('rate-limited', { retryAfterMs });
    const { sessionId, userId, name } = participant.self;
    const { roomId } = participant;
    const message = await services.chat.append({ roomId, sessionId, userId, name, text });
    const room = services.rooms.find(roomId);
    room?.broadcast(encodeNotification('chat', { message }), sessionId);
    for (const nodeId of room?.otherNodes ?? []) {
      services.inbox.notify(nodeId, 'chat.line', { roomId, message }).catch((error: unknown) => {
        // The line is kept: who misses it now finds it in the history.
        session.log.warn({ err: error, nodeId }, 'a chat line did not reach another node');
      });
    }
    return { message };
  },
};
