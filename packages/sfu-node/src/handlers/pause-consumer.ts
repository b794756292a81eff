import { type Handler, lane } from './context.ts';

export const pauseConsumer: Handler<'pause-consumer'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId }, { session }) {
    await session.participant.media.pauseConsumer(consumerId);
    return {};
  },
};
