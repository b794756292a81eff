import { type Handler, lane } from './context.ts';

export const connectTransport: Handler<'connect-transport'> = {
  order: ({ transportId }) => lane(transportId),
  async handle({ transportId, dtlsParameters }, { session }) {
    await session.participant.media.connect(transportId, dtlsParameters);
    return {};
  },
};
