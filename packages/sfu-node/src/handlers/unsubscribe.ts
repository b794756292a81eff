import { type Handler, lane } from './context.ts';

export const unsubscribe: Handler<'unsubscribe'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId }, { session }) {
    const { participant } = session;
    participant.subscriptions.forget(participant.producerOf(consumerId));
    return {};
  },
};
