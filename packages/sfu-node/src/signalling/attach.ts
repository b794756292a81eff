import type { IncomingHttpHeaders } from 'node:http';
import type { SessionLeases } from '@meridian/cluster';
import {
  assertNever,
  type Epoch,
  MeridianError,
  type NotificationData,
  type ResumePoint,
  type SessionTokenClaims,
} from '@meridian/protocol';
import { offeredProtocols, originAllowed, resumePointOf, sessionTokenOf } from '../auth/handshake.ts';
import type { Services } from '../handlers/context.ts';
import { prepareRequest } from '../handlers/table.ts';
import type { Gate, Visit } from '../limits/gate.ts';
import type { Logger } from '../logger.ts';
import { Session, type SessionBelongings } from '../sessions/session.ts';
import { TokenBucket } from '../token-bucket.ts';
import { Connection } from './connection.ts';
import { Dialogue } from './dialogue.ts';
import { type ServerWebSocket, signallingSocket } from './ws-socket.ts';

export interface AttachmentOptions {
  readonly services: Services;
  readonly leases: SessionLeases;
  readonly log: Logger;
  readonly gate: Gate;
  /** Why nobody may attach now; undefined when they may. */
  readonly refusal: () => MeridianError | undefined;
}

/** A refused peer that does not answer the close frame is cut, milliseconds. */
const REFUSED_CLOSE_MS = 1_000;

/**
 * Takes WebSockets in: token, lease, `welcome`; from then on frames of an attached session. Who names where it left off
 * goes on there, if that is possible.
 */
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

  /** @param address of the peer, as far as proxies are believed; peers within the process have none */
  accept(webSocket: ServerWebSocket, headers: IncomingHttpHeaders, address?: string): void {
    const { gate, services, log } = this.#options;
    const { config, clock, metrics, ender, resumption } = services;
    let session: Session | undefined;
    let visit: Visit | undefined;
    try {
      if (address !== undefined) visit = gate.enter(address, (error) => connection.close(error.code));
    } catch (thrown) {
      const { code, closeCode } = MeridianError.from(thrown);
      metrics.attached(code);
      webSocket.on('close', (closed) => metrics.closed(closed));
      webSocket.close(closeCode, code);
      clock.after(REFUSED_CLOSE_MS, () => webSocket.terminate());
      return;
    }
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
      onFault: (fault, error) => {
        if (session === undefined) return;
        session.log.info({ fault, code: error.code }, 'connection fault');
        if (fault === 'dead-peer') resumption.lost(session);
        else void ender.endAttachment(session, fault, { error });
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
      visit?.left();
      metrics.closed(code);
      if (session !== undefined) resumption.lost(session);
    });
    this.#attach(connection, headers, visit, (attached) => {
      session = attached;
    }).then(
      () => {
        visit?.attached();
        metrics.attached('ok');
      },
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

  /** @param owned called with the session that owns the connection, before anything is sent over it */
  async #attach(
    connection: Connection,
    headers: IncomingHttpHeaders,
    visit: Visit | undefined,
    owned: (session: Session) => void,
  ): Promise<void> {
    const { services, refusal } = this.#options;
    const { clock, config, metrics, tokens } = services;
    const startedMs = clock.now();
    if (!originAllowed(config.allowedOrigins, headers.origin)) throw new MeridianError('origin-refused');
    const offered = offeredProtocols(headers['sec-websocket-protocol']);
    const point = resumePointOf(offered);
    const sessionToken = sessionTokenOf(offered);
    const claims = await tokens.session(sessionToken);
    metrics.attachStep('verify', clock.now() - startedMs);
    if (services.revoked.isRevoked(claims)) throw new MeridianError('token-revoked');
    visit?.verified(claims);
    // A page that is gone already must not raise the epoch of the one that came after it.
    if (connection.closed) throw new MeridianError('session-lost');
    if (point === undefined || !this.#resume(connection, claims, point, owned)) {
      const refused = refusal();
      if (refused !== undefined) throw refused;
      this.#keepTokenFresh(await this.#attachAnew(connection, claims, owned), sessionToken);
    }
    metrics.attachStep('total', clock.now() - startedMs);
  }

  /** Returns false where the client has to begin anew. */
  #resume(
    connection: Connection,
    claims: SessionTokenClaims,
    point: ResumePoint,
    owned: (session: Session) => void,
  ): boolean {
    const { services, log } = this.#options;
    const { resumption, metrics } = services;
    const judged = resumption.judge(claims, point);
    switch (judged.verdict) {
      case 'refuse':
        metrics.resumed('refused');
        throw new MeridianError(judged.code);
      case 'anew':
        metrics.resumed(judged.why);
        log.info({ sessionId: claims.sid, why: judged.why }, 'not resumed');
        return false;
      case 'resume': {
        const { older } = judged;
        const session = new Session({ claims, connection, log: older.log, belongings: older.belongings });
        owned(session);
        resumption.take(older, session, point.seq, (epoch) => this.#welcome(session, epoch, true));
        metrics.resumed('resumed');
        return true;
      }
      default:
        return assertNever(judged);
    }
  }

  async #attachAnew(
    connection: Connection,
    claims: SessionTokenClaims,
    owned: (session: Session) => void,
  ): Promise<Session> {
    const { services, leases, log } = this.#options;
    const { clock, metrics, sessions, ender } = services;
    const session = this.#newSession(connection, claims, log.child({ sessionId: claims.sid }));
    owned(session);
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
    session.dialogue.begin(connection, this.#welcome(session, lease.epoch, false));
    connection.serve(session.dialogue);
    session.log.info({ epoch: lease.epoch }, 'attached');
    return session;
  }

  /** Over all connections of the session; the next one may come with the newest token or the one before. */
  #keepTokenFresh({ claims, dialogue, belongings, log }: Session, sessionToken: string): void {
    const { renewals, ender } = this.#options.services;
    void renewals.keepFresh({
      sessionToken,
      issuedAtMs: claims.iat * 1_000,
      expiresAtMs: claims.exp * 1_000,
      signal: dialogue.signal,
      log,
      onRenewed: (token) => dialogue.notify('session-token', token),
      onRevoked: () => {
        if (belongings.owner !== undefined) void ender.endAttachment(belongings.owner, 'token-revoked');
      },
    });
  }

  #newSession(connection: Connection, claims: SessionTokenClaims, log: Logger): Session {
    const { services } = this.#options;
    const { config, clock, metrics } = services;
    const dialogue = new Dialogue({
      clock,
      limits: {
        maxInFlight: config.maxInFlight,
        // Nothing is kept for a resume that cannot be.
        keepBytes: config.resumeWindowMs === 0 ? 0 : config.resumeBufferBytes,
      },
      observer: metrics,
      prepare: (method, data) =>
        prepareRequest(method, data, () => {
          const { owner } = belongings;
          if (owner === undefined) throw new MeridianError('session-not-attached');
          return { services, session: owner };
        }),
      onFailure: (method, code, error) => {
        if (code === 'internal') log.error({ err: error, method }, 'a request failed unexpectedly');
        else log.warn({ err: error, method, code }, 'a request failed');
      },
    });
    const chatBucket = new TokenBucket({ perSecond: config.chatPerSecond, burst: config.chatBurst }, clock.now());
    const belongings: SessionBelongings = { dialogue, chatBucket };
    return new Session({ claims, connection, log, belongings });
  }

  #welcome({ sessionId }: Session, epoch: Epoch, resumed: boolean): NotificationData<'welcome'> {
    const { config, media, nodeId } = this.#options.services;
    return {
      sessionId,
      nodeId,
      region: config.region,
      epoch,
      routerRtpCapabilities: media.routerRtpCapabilities,
      pingEveryMs: config.pingEveryMs,
      deadAfterMs: config.deadAfterMs,
      maxFrameBytes: config.maxFrameBytes,
      resumed,
      resumeWindowMs: config.resumeWindowMs,
    };
  }

  /**
   * The connection was lost while its lease was written. It replaces nobody: a connection of the same
   * session that lives keeps its place, and gets its lease back.
   */
  async #giveBack(session: Session): Promise<void> {
    const { ender, resumption } = this.#options.services;
    await ender.endAttachment(session, 'connection-lost');
    resumption.announceLease(session);
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
