import { MeridianError } from '@meridian/protocol';
import { requireGrant } from '../rooms/grants.ts';
import { type Handler, lane } from './context.ts';

/** The line is kept first, then told to everybody who is in the room now. */
export const sendChat: Handler<'send-chat'> = {
  order: () => lane('chat'),
  async handle({ text }, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'chat');
    const retryAfterMs = session.chatBucket.take(services.clock.now());
    if (retryAfterMs > 0) throw new MeridianError('rate-limited', { retryAfterMs });
    const { sessionId, userId, name } = participant.self;
    const { roomId } = participant;
    return { message: await services.chat.take({ roomId, sessionId, userId, name, text }) };
  },
};
