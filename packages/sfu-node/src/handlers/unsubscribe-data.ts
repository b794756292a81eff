import { type Handler, lane } from './context.ts';

export const unsubscribeData: Handler<'unsubscribe-data'> = {
  order: ({ dataConsumerId }) => lane(dataConsumerId),
  async handle({ dataConsumerId }, { session }) {
    const { participant } = session;
    participant.dataSubscriptions.forget(participant.dataProducerOf(dataConsumerId));
    return {};
  },
};
