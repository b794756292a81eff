import { InvitationReply, InvitationRequest } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { RoomParams } from '../params.ts';

export const invite: Route = (app, { config, auth, rooms, store, ids, clock, issuer }) => {
  app.route({
    method: 'POST',
    url: '/v1/rooms/:slug/invitations',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden'] },
    schema: {
      tags: ['rooms'],
      summary: 'Make an invitation link (owner); whoever opens it may become a member',
      params: RoomParams,
      body: InvitationRequest,
      response: { 201: InvitationReply },
    },
    handler: async (request, reply) => {
      const { userId } = auth.userOf(request);
      const { roomId, slug } = await rooms.own(request.params.slug, userId);
      const invitationId = ids.tokenId();
      const { token, expiresAtMs } = await issuer.invitation(
        { sub: userId, room: roomId, slug, jti: invitationId },
        request.body.expiresInS,
      );
      await store.rooms.addInvitation({
        invitationId,
        roomId,
        invitedBy: userId,
        createdAtMs: clock.now(),
        expiresAtMs,
      });
      return reply.code(201).send({
        url: `${config.publicUrl}/r/${slug}#invite=${token}`,
        invitation: token,
        invitationId,
        expiresAtMs,
      });
    },
  });
};
