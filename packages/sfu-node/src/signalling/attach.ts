import type { IncomingHttpHeaders } from 'node:http';
import type { SessionLeases } from '@meridian/cluster';
import { type EndReason, MeridianError, type SessionTokenClaims } from '@meridian/protocol';
import { offeredProtocols, originAllowed, sessionTokenOf } from '../auth/handshake.ts';
import type { Services } from '../handlers/context.ts';
import { prepareRequest } from '../handlers/table.ts';
import type { Logger } from '../logger.ts';
import { Session } from '../sessions/session.ts';
import { TokenBucket } from '../token-bucket.ts';
import { Connection } from './connection.ts';
import { type ServerWebSocket, signallingSocket } from './ws-socket.ts';

export interface AttachmentOptions {
  readonly services: Services;
  readonly leases: SessionLeases;
  readonly log: Logger;
  /** Why nobody may attach now; undefined when they may. */
  readonly refusal: () => MeridianError | undefined;
}

/** Takes WebSockets in: token, lease, `welcome`; from then on frames of an attached session. */
export class Attachments {
  readonly #options: AttachmentOptions;
  readonly #open = new Set<Connection>();

  constructor(options: AttachmentOptions) {
    this.#options = options;
  }

  /** Open connections, those that are not attached yet included. */
  get size(): number {
    return this.#open.size;
  }

  accept(webSocket: ServerWebSocket, headers: IncomingHttpHeaders): void {
    const { services, log } = this.#options;
    const { config, clock, metrics } = services;
    let session: Session | undefined;
    const connection: Connection = new Connection({
      socket: signallingSocket(webSocket),
      clock,
      limits: {
        maxFrameBytes: config.maxFrameBytes,
        maxBufferedBytes: config.maxBufferedBytes,
        frames: { perSecond: config.requestsPerSecond, burst: config.requestBurst },
        maxInFlight: config.maxInFlight,
        pingEveryMs: config.pingEveryMs,
        deadAfterMs: config.deadAfterMs,
      },
      observer: metrics,
      prepare: (method, data) =>
        prepareRequest(method, data, () => {
          if (session === undefined) throw new MeridianError('session-not-attached');
          return { services, session };
        }),
      onFault: (fault, error) => {
        if (session === undefined) return;
        session.log.info({ fault, code: error.code }, 'connection fault');
        void services.ender.endAttachment(session, fault === 'dead-peer' ? 'connection-lost' : fault, { error });
      },
      onFailure: (method, code, error) => {
        const to = session?.log ?? log;
        if (code === 'internal') to.error({ err: error, method }, 'a request failed unexpectedly');
        else to.warn({ err: error, method, code }, 'a request failed');
      },
    });
    this.#open.add(connection);
    webSocket.on('message', (data, isBinary) => {
      const bytes = Array.isArray(data) ? data.reduce((sum, part) => sum + part.byteLength, 0) : data.byteLength;
      connection.receive(isBinary ? undefined : data.toString(), bytes);
    });
    webSocket.on('ping', () => connection.heard());
    webSocket.on('pong', () => connection.heard());
    webSocket.on('close', (code) => {
      this.#open.delete(connection);
      connection.lost();
      metrics.closed(code);
      if (session !== undefined) this.#lost(session);
    });
    connection
      .before(async () => {
        session = await this.#attach(connection, headers);
      })
      .then(
        () => metrics.attached('ok'),
        (thrown: unknown) => {
          const error = MeridianError.from(thrown);
          metrics.attached(error.code);
          if (error.code === 'internal') log.error({ err: thrown }, 'attaching failed unexpectedly');
          else if (error.status >= 500) log.warn({ err: error, code: error.code }, 'attachment failed');
          else log.info({ code: error.code }, 'attachment refused');
          connection.close(error.code);
        },
      );
  }

  async #attach(connection: Connection, headers: IncomingHttpHeaders): Promise<Session> {
    const { services, leases, log, refusal } = this.#options;
    const { clock, config, metrics, nodeId, sessions, ender, tokens } = services;
    const startedMs = clock.now();
    if (!originAllowed(config.allowedOrigins, headers.origin)) throw new MeridianError('origin-refused');
    const claims = await tokens.session(sessionTokenOf(offeredProtocols(headers['sec-websocket-protocol'])));
    metrics.attachStep('verify', clock.now() - startedMs);
    if (services.revoked.isRevoked(claims)) throw new MeridianError('token-revoked');
    const refused = refusal();
    if (refused !== undefined) throw refused;
    // A page that is gone already must not raise the epoch of the one that came after it.
    if (connection.closed) throw new MeridianError('session-lost');
    const session = new Session({
      claims,
      connection,
      log: log.child({ sessionId: claims.sid }),
      chatBucket: new TokenBucket({ perSecond: config.chatPerSecond, burst: config.chatBurst }, clock.now()),
    });
    const leaseStartedMs = clock.now();
    const lease = await leases.attach(leaseRequest(claims, services));
    metrics.attachStep('lease', clock.now() - leaseStartedMs);
    session.move({ phase: 'attached', lease });
    if (connection.closed) {
      await this.#giveBack(session);
      throw new MeridianError('session-lost');
    }
    // The user may have logged out everywhere while the lease was written.
    if (services.revoked.isRevoked(claims)) {
      await ender.endAttachment(session, 'token-revoked');
      throw new MeridianError('token-revoked');
    }
    const older = sessions.put(session);
    if (older !== undefined) void ender.endAttachment(older, 'replaced');
    if (older === session) throw new MeridianError('session-replaced');
    connection.notify('welcome', {
      sessionId: claims.sid,
      nodeId,
      region: config.region,
      epoch: lease.epoch,
      routerRtpCapabilities: services.media.routerRtpCapabilities,
      pingEveryMs: config.pingEveryMs,
      deadAfterMs: config.deadAfterMs,
      maxFrameBytes: config.maxFrameBytes,
      resumed: false,
      resumeWindowMs: config.resumeWindowMs,
    });
    metrics.attachStep('total', clock.now() - startedMs);
    session.log.info({ epoch: lease.epoch }, 'attached');
    return session;
  }

  /**
   * The connection was lost while its lease was written. It replaces nobody: a connection of the same
   * session that lives keeps its place, and gets its lease back.
   */
  async #giveBack(session: Session): Promise<void> {
    const { services, leases } = this.#options;
    await services.ender.endAttachment(session, 'connection-lost');
    const living = services.sessions.find(session.sessionId);
    if (living === undefined || !('lease' in living.state)) return;
    const { lease } = living.state;
    await services.chores.run(`lease:${session.sessionId}:${lease.epoch}:back`, () => leases.restore([lease]));
  }

  /** The WebSocket is gone. A participant may keep its place for a while, should it come back. */
  #lost(session: Session): void {
    const { services } = this.#options;
    const { config, clock, ender, roomState, chores } = services;
    const { state } = session;
    const lost: EndReason = 'connection-lost';
    if (state.phase !== 'joined' || config.resumeWindowMs === 0) {
      void ender.endAttachment(session, lost);
      return;
    }
    const { sessionId, epoch } = state.lease;
    const { roomId } = state.participant;
    void chores.run(`connection:${sessionId}`, () =>
      roomState.setConnection({ roomId, sessionId, epoch, connection: 'reconnecting' }),
    );
    clock.after(config.resumeWindowMs, () => void ender.endSession(sessionId, epoch, lost));
  }
}

function leaseRequest(claims: SessionTokenClaims, { nodeId, config }: Services) {
  return {
    sessionId: claims.sid,
    userId: claims.sub,
    name: claims.name,
    nodeId,
    region: config.region,
    ...(claims.roomHint === undefined ? {} : { roomHint: claims.roomHint }),
  };
}
