import { MessageId, MessagesQuery, MessagesReply, parseOrThrow } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { RoomParams } from '../params.ts';

export const messages: Route = (app, { auth, rooms, store }) => {
  app.route({
    method: 'GET',
    url: '/v1/rooms/:slug/messages',
    config: { auth: 'user', errors: ['room-not-found', 'room-private'] },
    schema: {
      tags: ['rooms'],
      summary: 'Chat history, a page at a time, newest last',
      params: RoomParams,
      querystring: MessagesQuery,
      response: { 200: MessagesReply },
    },
    handler: async (request) => {
      const { limit } = request.query;
      const before = parseOrThrow(MessageId.optional(), request.query.before, 'bad-request', 'before');
      const { room } = await rooms.enter(request.params.slug, auth.userOf(request).userId);
      // One more than asked for tells whether there is a page before this one.
      const lines = await store.messages.page(room.roomId, { before, limit: limit + 1 });
      const page = lines.slice(-limit);
      return { messages: page, before: lines.length > limit ? (page[0]?.id ?? null) : null };
    },
  });
};
