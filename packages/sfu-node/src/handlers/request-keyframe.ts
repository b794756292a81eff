import { type Handler, lane } from './context.ts';

export const requestKeyframe: Handler<'request-keyframe'> = {
  order: ({ consumerId }) => lane(consumerId),
  async handle({ consumerId }, { session }) {
    await session.participant.media.requestKeyFrame(consumerId);
    return {};
  },
};
