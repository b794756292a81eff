import { free, type Handler } from './context.ts';

/** The participant goes; the connection is closed once it has its answer. */
export const leave: Handler<'leave'> = {
  order: () => free,
  async handle({ back }, { services, session, afterReply }) {
    const { sessionId, epoch } = session.lease;
    const { inRoom } = session;
    const isMove = back || (inRoom !== undefined && services.handovers.has(inRoom));
    const reason = isMove ? 'moved' : 'left';
    afterReply(() => void services.ender.endSession(sessionId, epoch, reason));
    return {};
  },
};
