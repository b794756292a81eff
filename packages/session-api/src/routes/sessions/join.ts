import type { Admission } from '@meridian/cluster';
import { assertNever, type Grants, JoinRoomReply, JoinRoomRequest, MeridianError } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { type Role, roomView } from '../../rooms/access.ts';
import { RoomParams } from '../params.ts';

export const joinRoom: Route = (app, { auth, rooms, cluster, issuer, ids, metrics, naming, perUser }) => {
  app.route({
    method: 'POST',
    url: '/v1/rooms/:slug/join',
    config: {
      auth: 'session',
      errors: [
        'room-not-found',
        'room-private',
        'room-full',
        'session-kicked',
        'room-ended',
        'already-joined',
        'session-replaced',
        'session-not-attached',
        'token-session',
        'cluster-unavailable',
        'store-unavailable',
      ],
    },
    schema: {
      tags: ['sessions'],
      summary: 'Get a place in a room and the room token, which works once; the WebSocket must be attached',
      params: RoomParams,
      body: JoinRoomRequest,
      response: { 200: JoinRoomReply },
    },
    handler: async (request) => {
      const session = auth.sessionOf(request);
      await perUser.joins.take(session.sub);
      const [lease, entry] = await Promise.all([
        metrics.step('find-lease', () => cluster.leases.find(session.aud, session.sid)),
        metrics.step('check-policy', () => rooms.enter(request.params.slug, session.sub)),
      ]);
      if (lease === undefined) {
        metrics.admission('not-attached');
        throw new MeridianError('session-not-attached', { retryAfterMs: 200 });
      }
      if (lease.userId !== session.sub) throw new MeridianError('token-session');
      const { room, role, remembered } = entry;
      const admit = () =>
        metrics.step('admit', () =>
          cluster.rooms.admit({
            roomId: room.roomId,
            lease,
            capacity: room.capacity,
            duplicates: room.duplicates,
            // A membership that is only remembered may have ended: the marks of that decide.
            visitor: role === 'visitor' || (remembered && role === 'member'),
          }),
        );
      let admission = await admit();
      if (!admission.admitted && admission.reason === 'room-ended' && role === 'owner' && !remembered) {
        // A room lasts: who owns it may open it again after having ended the call in it.
        await cluster.rooms.reopen(room.roomId);
        admission = await admit();
      }
      metrics.admission(admission.admitted ? 'admitted' : admission.reason);
      if (!admission.admitted) throw remembered && isOpen(admission.reason) ? undecided() : refusal(admission);
      naming.remember(room);
      const grants = grantsOf(role);
      const { token, expiresAtMs } = await issuer.room({
        sub: session.sub,
        sid: session.sid,
        room: room.roomId,
        slug: room.slug,
        grants,
        aud: lease.nodeId,
        epoch: lease.epoch,
        jti: ids.tokenId(),
      });
      request.log.info({ sessionId: session.sid, roomId: room.roomId, nodeId: lease.nodeId }, 'place given');
      return { roomToken: token, expiresAtMs, room: roomView(entry), grants };
    },
  });
};

const grantsOf = (role: Role): Grants => ({ publish: true, subscribe: true, chat: true, moderate: role === 'owner' });

/** A refusal that the store, were it there, might not share. */
const isOpen = (reason: Refusal['reason']): boolean => reason === 'members-only' || reason === 'room-ended';

const undecided = () => new MeridianError('store-unavailable', { retryAfterMs: 1_000 });

type Refusal = Exclude<Admission, { admitted: true }>;

function refusal(refused: Refusal): MeridianError {
  switch (refused.reason) {
    case 'room-full':
    case 'room-ended':
    case 'session-replaced':
      return new MeridianError(refused.reason);
    case 'duplicate':
      return new MeridianError('already-joined', {
        message: 'You are in this room already, in another tab or on another device.',
      });
    case 'members-only':
      return new MeridianError('room-private');
    case 'expelled':
      return new MeridianError('session-kicked', { retryAfterMs: refused.retryAfterMs });
    default:
      return assertNever(refused);
  }
}
