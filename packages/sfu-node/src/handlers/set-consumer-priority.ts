import { type Handler, lane } from './context.ts';

export const setConsumerPriority: Handler<'set-consumer-priority'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId, priority }, { session }) {
    await session.participant.media.setPriority(consumerId, priority);
    return {};
  },
};
