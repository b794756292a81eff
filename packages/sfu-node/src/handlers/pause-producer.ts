import { type Handler, lane } from './context.ts';
import { setProducerPaused } from './set-producer-paused.ts';

export const pauseProducer: Handler<'pause-producer'> = {
  order: ({ producerId }) => lane(producerId),
  async handle({ producerId }, context) {
    await setProducerPaused(context, producerId, true);
    return {};
  },
};
