import { AcceptInvitationRequest, isMeridianError, MeridianError, RoomView } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';
import { RoomParams } from '../params.ts';

export const acceptInvitation: Route = (app, { auth, verifier, store, cluster, clock }) => {
  app.route({
    method: 'POST',
    url: '/v1/rooms/:slug/members',
    config: { auth: 'user', errors: ['room-not-found', 'invitation-invalid', 'cluster-unavailable'] },
    schema: {
      tags: ['rooms'],
      summary: 'Become a member by an invitation; a second time changes nothing',
      params: RoomParams,
      body: AcceptInvitationRequest,
      response: { 200: RoomView },
    },
    handler: async (request) => {
      const { userId, name } = auth.userOf(request);
      const room = await store.rooms.findBySlug(request.params.slug);
      if (room === undefined) throw new MeridianError('room-not-found');
      const claims = await verifier.invitation(request.body.invitation).catch(refused);
      if (claims.room !== room.roomId) throw invalid('token-room');
      const invitation = await store.rooms.findInvitation(claims.jti);
      if (invitation?.roomId !== room.roomId) throw invalid('token-revoked');
      if (room.ownerId === userId) return roomView({ room, role: 'owner' });
      const member = { userId, name, joinedAtMs: clock.now() };
      await store.rooms.addMember(room.roomId, member, invitation.createdAtMs);
      // Who was put out and is invited again may come at once.
      await cluster.rooms.readmit(room.roomId, { userId, invitedAtMs: invitation.createdAtMs });
      return roomView({ room, role: 'member' });
    },
  });
};

/** The caller's own token is in order: the fault is the invitation's, and `details.reason` tells which. */
const invalid = (reason: string, cause?: unknown): MeridianError =>
  new MeridianError('invitation-invalid', { details: { reason }, cause });

function refused(error: unknown): never {
  throw isMeridianError(error) && error.status < 500 ? invalid(error.code, error) : error;
}
