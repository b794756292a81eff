import { randomUUID } from 'node:crypto';
import type { Cluster, NodeAnnouncement, NodeInbox } from '@meridian/cluster';
import type { MediaEngine } from '@meridian/media';
import { type ChatMessage, type EndReason, MeridianError } from '@meridian/protocol';
import type { SigningKeys } from './auth/signing-keys.ts';
import { TokenVerifier } from './auth/token-verifier.ts';
import { Chores } from './chores.ts';
import type { Cancel, Clock } from './clock.ts';
import type { NodeConfig } from './config.ts';
import type { Drain } from './drain/drain.ts';
import { createNodeDrain } from './drain/node-drain.ts';
import type { Services } from './handlers/context.ts';
import type { Readiness } from './http/routes.ts';
import { BitrateGuard } from './limits/bitrate-guard.ts';
import { Gate } from './limits/gate.ts';
import type { Logger } from './logger.ts';
import { MediaMeter } from './metrics/media-meter.ts';
import type { NodeMetrics } from './metrics/node-metrics.ts';
import { Presence } from './presence.ts';
import { RelayManager } from './relay/relay-manager.ts';
import { ChatLines } from './rooms/chat-lines.ts';
import { NodeRooms } from './rooms/node-rooms.ts';
import { writePaused } from './rooms/write-paused.ts';
import { SessionEnder } from './sessions/end-session.ts';
import { FinalWords } from './sessions/final-words.ts';
import { Handovers } from './sessions/handovers.ts';
import { Resumption } from './sessions/resume.ts';
import { RevokedTokens } from './sessions/revocations.ts';
import { Sessions } from './sessions/sessions.ts';
import { serviceUrlOf, TokenRenewals } from './sessions/token-renewals.ts';
import { Attachments } from './signalling/attach.ts';
import { Lanes } from './signalling/lanes.ts';
import { encodeNotification } from './signalling/outbox.ts';

export interface NodeOptions {
  readonly config: NodeConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: NodeMetrics;
  readonly media: MediaEngine;
  readonly cluster: Cluster;
  readonly inbox: NodeInbox;
  readonly keys: SigningKeys;
  readonly timing: {
    readonly settleMs?: number;
    readonly relayCheckEveryMs?: number;
    readonly bitrateEveryMs?: number;
  };
}

export interface SfuNodeCore {
  readonly services: Services;
  readonly attachments: Attachments;
  readonly meter: MediaMeter;
  readonly drain: Drain;
  readiness(): Readiness;
  /** The node stands in the registry. */
  announcedAs(announcement: NodeAnnouncement): void;
  stopAccepting(): void;
  endAll(reason: EndReason): void;
  close(): Promise<void>;
}

const METER_EVERY_MS = 5_000;

/**
 * The service places nobody beyond `maxSessions`. What comes nevertheless was placed by an older view of the load, or goes
 * by itself to a node it likes: a tenth more is taken, then nobody.
 */
const hardLimitOf = (maxSessions: number): number => maxSessions + Math.max(2, Math.ceil(maxSessions / 10));
/** So long a room is not believed to lack anybody after an outage, however short the lease is, milliseconds. */
const LEAST_SETTLE_MS = 3_000;
/** Longer than the former half of a move lasts: until its end has reached everybody, milliseconds. */
const LINGER_MS = 5_000;
/** Longest time for which a page that took a session over may take to join before its place is seen empty, milliseconds. */
const TAKEOVER_MS = 5_000;
/** Who might still try to resume after its window was over is told why it cannot, milliseconds. */
const FINAL_WORDS_MS = 60_000;

/** Joins a node's parts together; opens nothing itself but what hangs on them. */
export function createNode(options: NodeOptions): SfuNodeCore {
  const { config, log, clock, random, metrics, media, cluster, inbox, timing } = options;
  const { nodeId } = config;
  let accepting = true;
  let announcement: NodeAnnouncement | undefined;
  let presence: Presence | undefined;
  let offRestored: Cancel | undefined;

  const chores = new Chores({ clock, log, random });
  const sessions = new Sessions();
  const finalWords = new FinalWords({ keepMs: config.resumeWindowMs + FINAL_WORDS_MS });
  const ender = new SessionEnder({
    nodeId,
    sessions,
    leases: cluster.leases,
    rooms: cluster.rooms,
    chores,
    clock,
    takeoverMs: Math.min(config.resumeWindowMs, TAKEOVER_MS),
    leftHere: (roomId, sessionId, epoch, reason) =>
      rooms.find(roomId)?.tellHere({ type: 'participant-left', sessionId, epoch, reason }),
    onEnded: (reason, sessionId, epoch) => {
      metrics.sessionEnded(reason);
      finalWords.note(sessionId, epoch, reason, clock.now());
      handovers.ended(sessionId, epoch, reason);
      drain.left();
    },
  });
  const handovers = new Handovers({
    clock,
    log,
    timeoutMs: config.moveTimeoutMs,
    end: (sessionId, epoch, reason) => void ender.endSession(sessionId, epoch, reason),
    onDone: (outcome) => metrics.moved(outcome),
  });
  const drain = createNodeDrain({
    nodeId,
    cluster,
    inbox,
    sessions,
    handovers,
    ender,
    clock,
    log,
    deadlineMs: config.drainTimeoutMs,
    announcement: () => announcement,
  });
  const regionOf = (node: typeof nodeId): string => rooms.regionOf(node) ?? 'unknown';
  const relays = new RelayManager({
    media,
    inbox,
    clock,
    random,
    newId: randomUUID,
    log,
    graceMs: config.relayGraceMs,
    observer: {
      opened: (role, remote) => metrics.relayOpened(role, remote, regionOf(remote)),
      ended: (role, _remote, why) => metrics.relayEnded(role, why),
      setup: (outcome, _remote, ms) => metrics.relaySetup(outcome, ms),
    },
    ...(timing.relayCheckEveryMs === undefined ? {} : { checkEveryMs: timing.relayCheckEveryMs }),
  });
  const rooms = new NodeRooms({
    nodeId,
    state: cluster.rooms,
    relays,
    clock,
    random,
    log,
    // Nobody of another node is gone before that node has had the time after which it would count as dead itself.
    settleMs: timing.settleMs ?? Math.max(LEAST_SETTLE_MS, config.leaseMs),
    lingerMs: config.moveTimeoutMs + LINGER_MS,
    movedAway: (participant, to) => {
      handovers.movedAway(participant, to);
      drain.movedAway(participant);
    },
    cameBack: (participant) => {
      handovers.cameBack(participant);
      drain.cameBack(participant);
    },
    endLocal: ({ sessionId, epoch }, reason) => void ender.endSession(sessionId, epoch, reason, { stateKnows: true }),
    isLeaving: (roomId, { sessionId, epoch }) => ender.isLeaving(roomId, sessionId, epoch),
    goneMeanwhile: (roomId, { sessionId, epoch }) => {
      // A newer page of the session is about to take the place; what becomes of it is on its way already.
      const { state } = sessions.find(sessionId) ?? {};
      if (state !== undefined && 'lease' in state && state.lease.epoch > epoch) return;
      void ender.leaveRoom(roomId, sessionId, epoch, 'connection-lost');
    },
    removeStray: (roomId, stray) => {
      const isMedia = 'producerId' in stray;
      const id = isMedia ? stray.producerId : stray.dataProducerId;
      log.warn({ roomId, ...stray }, 'the room held something published here that is not there');
      void chores.run(`producer:${id}`, () =>
        isMedia
          ? cluster.rooms.closeProducer(roomId, stray.producerId)
          : cluster.rooms.closeDataProducer(roomId, stray.dataProducerId),
      );
    },
    writeConnection: (member) => resumption.writeConnection(member),
    writePaused: (member, producerId) => writePaused({ chores, state: cluster.rooms }, member, producerId),
    askWhetherAlive: async () => announcement?.update({}, { now: true }),
    removeGhost: (roomId, { sessionId, epoch }) => {
      if (ender.isLeaving(roomId, sessionId, epoch)) return;
      log.warn({ roomId, sessionId, epoch }, 'the room held a participant of this node that is not here');
      void ender.leaveRoom(roomId, sessionId, epoch, 'connection-lost');
    },
  });
  const revoked = new RevokedTokens({
    marks: cluster.revocations,
    clock,
    log,
    endOlder(userId, ver) {
      const older = sessions.all.filter(({ claims }) => claims.sub === userId && (claims.ver ?? ver) < ver);
      for (const session of older) void ender.endAttachment(session, 'token-revoked');
      return older.length;
    },
  });
  const resumption = new Resumption({
    nodeId,
    clock,
    sessions,
    ender,
    finalWords,
    rooms,
    roomState: cluster.rooms,
    leases: cluster.leases,
    chores,
    windowMs: config.resumeWindowMs,
    shownAfterMs: config.reconnectingAfterMs,
  });
  const showChat = (message: ChatMessage) =>
    rooms.find(message.roomId)?.broadcast(encodeNotification('chat', { message }), message.sessionId);
  const chat = new ChatLines({
    chat: cluster.chat,
    chores,
    log,
    tellHere: showChat,
    othersOf: (roomId) => rooms.find(roomId)?.otherNodes ?? [],
    tell: (other, message, id) => inbox.notify(other, 'chat.line', { roomId: message.roomId, message }, { id }),
  });
  const renewals = new TokenRenewals({
    serviceUrl: config.serviceUrl ?? serviceUrlOf(config.jwksUrl),
    clock,
    random,
    onOutcome: (outcome) => metrics.tokenRenewal(outcome),
  });
  const services: Services = {
    nodeId,
    config,
    clock,
    random,
    metrics,
    media,
    sessions,
    ender,
    handovers,
    resumption,
    renewals,
    revoked,
    rooms,
    relays,
    chores,
    inbox,
    tokens: new TokenVerifier({ nodeId, issuer: config.issuer, findKey: options.keys.find, clock }),
    roomState: cluster.rooms,
    chat,
    joins: new Lanes(),
  };
  const gate = new Gate({
    limits: {
      connectionsPerAddress: config.connectionsPerAddress,
      attemptsPerMinute: config.attemptsPerMinute,
      unattachedPerAddress: config.unattachedPerAddress,
      unattached: config.maxUnattached,
      attachTimeoutMs: config.attachTimeoutMs,
      sessionsPerUser: config.sessionsPerUser,
      sessions: hardLimitOf(config.maxSessions),
      pinAddress: config.pinSessionAddress,
    },
    clock,
    log,
    metrics,
    sessions,
  });
  const bitrates = new BitrateGuard({
    limit: config.maxIncomingBitrate,
    ...(timing.bitrateEveryMs === undefined ? {} : { everyMs: timing.bitrateEveryMs }),
    clock,
    log,
    sessions,
    onExceeded: (session, error) => {
      metrics.gateRefused(error.code);
      void ender.endAttachment(session, 'protocol-error', { error });
    },
  });
  const attachments = new Attachments({
    services,
    leases: cluster.leases,
    log,
    gate,
    refusal: () => {
      if (!accepting || drain.active) return new MeridianError('node-draining');
      if (announcement?.announced !== true) return new MeridianError('cluster-unavailable');
      return undefined;
    },
  });
  const meter = new MediaMeter({
    media,
    metrics,
    clock,
    log,
    everyMs: METER_EVERY_MS,
    remoteOf: (linkId) => {
      const node = relays.remoteOf(linkId);
      return node === undefined ? undefined : { node, region: regionOf(node) };
    },
  });
  metrics.observe(() => ({
    ...media.load(),
    rooms: rooms.size,
    sessions: sessions.size,
    participants: sessions.joined,
    suspended: sessions.suspended,
    connections: attachments.size,
    unattached: gate.unattached,
    openChores: chores.size,
    redisUp: cluster.status === 'up',
    clockOffsetMs: cluster.clockOffsetMs,
    announced: announcement?.announced === true,
    drain: drain.progress,
    relayLinks: relays
      .links()
      .map(({ role, remoteNodeId, down }) => ({ role, node: remoteNodeId, region: regionOf(remoteNodeId), down })),
  }));
  // What could not be written meanwhile is not left to wait for its next turn.
  const offStatus = cluster.onStatus((status) => {
    if (status === 'up') chores.retryNow();
  });
  const offDied = media.on('worker-died', ({ worker, rooms: lost }) => {
    metrics.workerDeaths.inc();
    log.error({ worker, rooms: lost.length }, 'a media worker died');
  });

  inbox.onRoomEvent((envelope) => rooms.receive(envelope));
  inbox.onGap((roomId) => {
    rooms.gap(roomId);
    if (roomId === undefined) void revoked.read('all');
  });
  inbox.onNotice('chat.line', ({ message }) => showChat(message));
  inbox.handle('session.end', async ({ roomId, sessionId, epoch, reason }) => {
    const session = sessions.find(sessionId);
    const participant = session?.inRoom;
    // Whoever asks may not have heard of a resume yet: it means the participant, by any of its epochs.
    const ownEpoch = rooms.find(roomId)?.ownEpoch(sessionId, epoch) ?? epoch;
    if (participant?.roomId !== roomId || !participant.wasOf(ownEpoch)) return { ended: false };
    return { ended: await ender.endSession(sessionId, participant.self.epoch, reason) };
  });
  inbox.handle('user.revoke', async (revocation) => {
    const ended = revoked.revoke(revocation);
    if (ended > 0) log.info({ userId: revocation.userId, ended }, 'a user logged out everywhere');
    return { ended };
  });
  inbox.handle('ping', async () => ({ nodeId, timeMs: clock.wallNow() }));

  return {
    services,
    attachments,
    meter,
    drain,
    readiness() {
      const checks = {
        redis: cluster.status === 'up',
        workers: media.load().workers > 0,
        announced: announcement?.announced === true,
        accepting: accepting && !drain.active,
      };
      return { ready: Object.values(checks).every(Boolean), checks, clockOffsetMs: cluster.clockOffsetMs };
    },
    announcedAs(standing) {
      announcement = standing;
      void revoked.read('all');
      offRestored = standing.on('restored', () => {
        void revoked.read('all');
        chores.retryNow();
      });
      presence = new Presence({
        announcement: standing,
        leases: cluster.leases,
        sessions,
        rooms,
        media,
        chores,
        maxSessions: config.maxSessions,
        clockOffsetMs: () => cluster.clockOffsetMs,
        clock,
        log,
      });
    },
    stopAccepting() {
      accepting = false;
      presence?.close();
    },
    endAll(reason) {
      for (const session of sessions.all) void ender.endAttachment(session, reason);
      ender.giveUpPlaces(reason);
    },
    async close() {
      presence?.close();
      offRestored?.();
      revoked.close();
      bitrates.close();
      drain.close();
      handovers.close();
      relays.close();
      rooms.close();
      offDied();
      offStatus();
      await meter.close();
    },
  };
}
