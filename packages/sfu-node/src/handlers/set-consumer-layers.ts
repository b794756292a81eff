import { type Handler, lane } from './context.ts';

export const setConsumerLayers: Handler<'set-consumer-layers'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId, spatialLayer, temporalLayer }, { session }) {
    await session.participant.media.setLayers(consumerId, {
      spatialLayer,
      ...(temporalLayer === undefined ? {} : { temporalLayer }),
    });
    return {};
  },
};
