import { free, type Handler } from './context.ts';

/** The participant goes; the connection is closed once it has its answer. */
export const leave: Handler<'leave'> = {
  order: () => free,
  async handle(_data, { services, session, afterReply }) {
    const { sessionId, epoch } = session.lease;
    afterReply(() => void services.ender.endSession(sessionId, epoch, 'left'));
    return {};
  },
};
