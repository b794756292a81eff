import {
  CreateSessionReply,
  CreateSessionRequest,
  isMeridianError,
  MeridianError,
  type NodeId,
  type RoomId,
  type RoomSlug,
  type SessionId,
  type UserId,
} from '@meridian/protocol';
import { SESSION_TAKEOVER_S, turnCredentialsOf } from '../../config.ts';
import type { Route } from '../../http/route.ts';
import { iceServersFor } from '../../ice.ts';
import { locateClient } from '../../location/locate.ts';
import type { Services } from '../../services.ts';

interface Destination {
  readonly roomId: RoomId | undefined;
  /** Nodes that have participants of the room. */
  readonly roomNodes: ReadonlySet<NodeId>;
}

export const createSession: Route = (app, services) => {
  const { config, auth, placer, issuer, metrics, locate, clock, perUser } = services;
  const ice = { stunUrls: config.stunUrls, turnUrls: config.turnUrls, credentials: turnCredentialsOf(config) };
  app.route({
    method: 'POST',
    url: '/v1/sessions',
    config: {
      auth: 'user',
      errors: [
        'room-not-found',
        'room-private',
        'region-forced-refused',
        'region-unavailable',
        'no-healthy-node',
        'cluster-unavailable',
      ],
    },
    schema: {
      tags: ['sessions'],
      summary: 'Get a node, and why this one; a place on it is kept until the WebSocket attaches',
      body: CreateSessionRequest,
      response: { 201: CreateSessionReply },
    },
    handler: async (request, reply) => {
      const caller = auth.userOf(request);
      const { rtts, coordinates, room, region, avoid, previousSessionToken } = request.body;
      await perUser.sessions.take(caller.userId);
      if (region !== undefined && !config.allowForcedRegion) throw new MeridianError('region-forced-refused');

      const [destination, sessionId] = await Promise.all([
        destinationOf(services, room, caller.userId),
        sessionIdFor(services, previousSessionToken, caller.userId),
      ]);
      const { decision, node, reserved } = await metrics.step('place', () =>
        placer.place(sessionId, {
          rtts: new Map(rtts.map(({ nodeId, rttMs }) => [nodeId, rttMs])),
          location: locateClient(locate, coordinates, request.ip).location,
          roomNodes: destination.roomNodes,
          forcedRegion: region,
          avoid: new Set(avoid),
        }),
      );
      const [{ token, expiresAtMs }] = await Promise.all([
        issuer.session({
          sub: caller.userId,
          name: caller.name,
          sid: sessionId,
          aud: decision.nodeId,
          roomHint: destination.roomId,
          ver: caller.kind === 'account' ? caller.tokenVersion : undefined,
        }),
        reserved,
      ]);
      request.log.info({ sessionId, nodeId: decision.nodeId, reason: decision.reason }, 'session placed');
      return reply.code(201).send({
        sessionId,
        sessionToken: token,
        expiresAtMs,
        wsUrl: node.wsUrl,
        decision,
        iceServers: iceServersFor(ice, caller.userId, clock.now()),
      });
    },
  });
};

/** The room the client is heading for; one it may not enter is refused here already. */
async function destinationOf(
  { rooms, cluster }: Services,
  slug: RoomSlug | undefined,
  userId: UserId,
): Promise<Destination> {
  if (slug === undefined) return { roomId: undefined, roomNodes: new Set() };
  const { room } = await rooms.enter(slug, userId);
  return { roomId: room.roomId, roomNodes: new Set(await cluster.rooms.nodesOf(room.roomId)) };
}

/**
 * A refreshed page keeps its session's id, so that it takes its own participant over. A token that is
 * somebody else's, too old or broken is no reason to refuse: then the session is a new one.
 */
async function sessionIdFor(
  { verifier, ids }: Services,
  previousSessionToken: string | undefined,
  userId: UserId,
): Promise<SessionId> {
  if (previousSessionToken === undefined) return ids.session();
  try {
    const claims = await verifier.session(previousSessionToken, { expiredForS: SESSION_TAKEOVER_S });
    return claims.sub === userId ? claims.sid : ids.session();
  } catch (error) {
    if (isMeridianError(error) && error.status < 500) return ids.session();
    throw error;
  }
}
