import { type Handler, lane } from './context.ts';

export const resumeConsumer: Handler<'resume-consumer'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId }, { session }) {
    await session.participant.media.resumeConsumer(consumerId);
    return {};
  },
};
