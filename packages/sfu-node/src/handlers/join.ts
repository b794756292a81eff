import type { Confirmation } from '@meridian/cluster';
import type { MediaEngine, ParticipantMedia, RoomMedia } from '@meridian/media';
import {
  assertNever,
  type EndReason,
  type ErrorCode,
  isMeridianError,
  MeridianError,
  type ReplyData,
  type RequestData,
  type RoomId,
  type RoomTokenClaims,
  type RtpCapabilities,
  type SessionId,
  type SessionLease,
} from '@meridian/protocol';
import { LocalParticipant } from '../rooms/local-participant.ts';
import type { NodeRoom } from '../rooms/node-room.ts';
import { farewell } from '../sessions/end-session.ts';
import type { Session } from '../sessions/session.ts';
import { barrier, type Handler, lane, type RequestContext, type Services } from './context.ts';

type Confirmed = Extract<Confirmation, { confirmed: true }>;
interface OpenedMedia {
  readonly room: RoomMedia;
  readonly participant: ParticipantMedia;
}

/** Burns the room token, takes the reserved place, opens both transports: side by side. */
export const join: Handler<'join'> = {
  order: () => barrier,
  async handle(data, context) {
    const { services, session } = context;
    const { clock, metrics, tokens, rooms } = services;
    const startedMs = clock.now();
    const { state } = session;
    if (session.inRoom !== undefined) throw new MeridianError('already-joined');
    if (state.phase !== 'attached') throw new MeridianError('session-not-attached');
    const { lease } = state;
    const claims = await tokens.room(data.roomToken);
    checkSession(claims, lease);
    if (data.room !== undefined && data.room !== claims.slug) throw new MeridianError('token-room');
    await services.ender.settleLeave(claims.room, lease.sessionId, lease.epoch);
    if (session.state !== state) throw new MeridianError('session-lost');
    metrics.joinStep('verify', clock.now() - startedMs);
    session.move({ phase: 'joining', lease, roomId: claims.room });
    const room = rooms.ensure(claims.room);
    room.beginJoin(lease);
    try {
      // An older attachment of the session may be in the middle of its join: its media has to be gone first.
      const reply = await services.joins.run(lane(lease.sessionId), () =>
        enter({ data, context, claims, lease, room }),
      );
      metrics.joinStep('total', clock.now() - startedMs);
      return reply;
    } catch (error) {
      if (session.phase === 'joining') session.move({ phase: 'attached', lease });
      throw error;
    } finally {
      room.endJoin(lease);
    }
  },
};

function checkSession(claims: RoomTokenClaims, lease: SessionLease): void {
  if (claims.sid !== lease.sessionId || claims.sub !== lease.userId) throw new MeridianError('token-session');
  if (claims.epoch !== lease.epoch) {
    throw new MeridianError('token-session', { message: 'The room token is for another connection of this session.' });
  }
}

async function enter(options: {
  data: RequestData<'join'>;
  context: RequestContext;
  claims: RoomTokenClaims;
  lease: SessionLease;
  room: NodeRoom;
}): Promise<ReplyData<'join'>> {
  const { data, context, claims, lease, room } = options;
  const { services, session } = context;
  const { ender } = services;
  const { sessionId, epoch } = lease;
  const [confirmation, media] = await Promise.allSettled([
    confirm(services, claims, lease, data.handover),
    openMedia(services, claims.room, sessionId, data.rtpCapabilities),
  ]);
  const undo = (reason: 'transport-failed' | 'connection-lost') => {
    if (media.status === 'fulfilled') media.value.participant.close();
    // Also when the confirmation only seems to have failed: its answer may have been lost.
    const certainlyRefused = confirmation.status === 'rejected' && !isUnsure(confirmation.reason);
    if (!certainlyRefused) void ender.leaveRoom(claims.room, sessionId, epoch, reason);
  };
  if (confirmation.status === 'rejected') {
    undo('transport-failed');
    throw confirmation.reason;
  }
  if (media.status === 'rejected') {
    undo('transport-failed');
    throw isMeridianError(media.reason)
      ? media.reason
      : new MeridianError('media-unavailable', { cause: media.reason });
  }
  if (session.phase !== 'joining') {
    // Ended while it joined (its connection was lost, it was replaced).
    undo('connection-lost');
    throw new MeridianError('session-lost');
  }
  const { self, snapshot } = confirmation.value;
  // From here to the reply nothing is awaited: what the reply says and what is notified fit together.
  room.confirmed(snapshot);
  const out = room.outAgain(lease);
  if (out !== undefined) {
    undo('connection-lost');
    throw new MeridianError(refusalFor(out));
  }
  const participant = makeParticipant({ context, claims, self, room, media: media.value.participant, data });
  room.useMedia(media.value.room);
  room.add(participant);
  session.move({ phase: 'joined', lease, participant });
  context.afterReply(() => participant.start());
  if (data.handover) services.metrics.moved('arrived');
  session.log.info({ roomId: claims.room, epoch, handover: data.handover }, 'joined');
  return {
    roomId: claims.room,
    slug: claims.slug,
    grants: claims.grants,
    self,
    revision: room.revision,
    participants: [...room.participants],
    producers: [...room.producers],
    dataProducers: [...room.dataProducers],
    sendTransport: participant.media.sendTransport,
    recvTransport: participant.media.recvTransport,
  };
}

async function confirm(
  services: Services,
  claims: RoomTokenClaims,
  lease: SessionLease,
  handover: boolean,
): Promise<Confirmed> {
  const { clock, metrics, nodeId, roomState } = services;
  const startedMs = clock.now();
  const confirmation = await roomState.confirm({
    roomId: claims.room,
    sessionId: lease.sessionId,
    epoch: lease.epoch,
    tokenId: claims.jti,
    // The verifier lets a token pass a few seconds after its end; remember it longer than that.
    tokenTtlMs: Math.max(1_000, claims.exp * 1_000 - clock.wallNow()) + 30_000,
    nodeId,
    handover,
  });
  metrics.joinStep('confirm', clock.now() - startedMs);
  if (confirmation.confirmed) return confirmation;
  switch (confirmation.reason) {
    case 'token-replayed':
    case 'place-expired':
    case 'session-replaced':
    case 'room-ended':
      throw new MeridianError(confirmation.reason);
    default:
      return assertNever(confirmation.reason);
  }
}

/** It was put out of the room before its join was answered. */
function refusalFor(reason: EndReason): ErrorCode {
  const told = farewell(reason);
  return told === 'normal' || told === 'keeps-connection' ? 'session-lost' : told;
}

/** Redis may have done what it was asked although we did not hear of it. */
function isUnsure(error: unknown): boolean {
  return isMeridianError(error, 'cluster-unavailable') || isMeridianError(error, 'deadline-exceeded');
}

/** A room may close (its last participant left) between being opened and being used: then once more. */
const MEDIA_ATTEMPTS = 3;

async function openMedia(
  services: Services,
  roomId: RoomId,
  sessionId: SessionId,
  rtpCapabilities: RtpCapabilities,
): Promise<OpenedMedia> {
  const { clock, metrics } = services;
  const media: MediaEngine = services.media;
  const startedMs = clock.now();
  for (let attempt = 1; ; attempt++) {
    const room = await media.openRoom(roomId);
    try {
      const participant = await room.openParticipant({ sessionId, rtpCapabilities });
      metrics.joinStep('media', clock.now() - startedMs);
      return { room, participant };
    } catch (error) {
      if (attempt === MEDIA_ATTEMPTS || !room.closed || !isMeridianError(error, 'closed')) throw error;
    }
  }
}

function makeParticipant(options: {
  context: RequestContext;
  claims: RoomTokenClaims;
  self: Confirmed['self'];
  room: NodeRoom;
  media: ParticipantMedia;
  data: RequestData<'join'>;
}): LocalParticipant {
  const { context, claims, self, room, media, data } = options;
  const { services } = context;
  const session: Session = context.session;
  const { chores, roomState } = services;
  const roomId = claims.room;
  const participant: LocalParticipant = new LocalParticipant({
    self,
    grants: claims.grants,
    autoSubscribe: data.autoSubscribe,
    room,
    media,
    nodeId: services.nodeId,
    pull: (origin, item) => services.relays.pull(roomId, origin, item),
    clock: services.clock,
    random: services.random,
    log: session.log,
    transportGraceMs: services.config.transportGraceMs,
    maxConsumers: services.config.maxConsumers,
    send: (notification) => session.dialogue.send(notification),
    onMediaEnded: (reason) => void services.ender.endSession(self.sessionId, participant.self.epoch, reason),
    onProducerEnded: (producerId) =>
      void chores.run(`producer:${producerId}`, () => roomState.closeProducer(roomId, producerId)),
    onDataProducerEnded: (dataProducerId) =>
      void chores.run(`producer:${dataProducerId}`, () => roomState.closeDataProducer(roomId, dataProducerId)),
    onFirstConsumer: (ms) => services.metrics.joinStep('first-consumer', ms),
  });
  return participant;
}
