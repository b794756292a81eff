import { type Handler, lane } from './context.ts';

export const restartIce: Handler<'restart-ice'> = {
  order: ({ transportId }) => lane(transportId),
  async handle({ transportId }, { session }) {
    return { iceParameters: await session.participant.media.restartIce(transportId) };
  },
};
