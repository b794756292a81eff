import {
  CreateSessionReply,
  isNotificationName,
  JoinRoomReply,
  type MediaKind,
  type MediaSource,
  MeridianError,
  NOTIFICATIONS,
  type NotificationData,
  type NotificationName,
  parseJson,
  parseOrThrow,
  REQUESTS,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type RtpParameters,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { WebSocket } from 'ws';
import { enterAsGuest, post } from './api.ts';

export interface LightJoinOptions {
  readonly url: string;
  readonly room: string;
  readonly name: string;
  readonly region?: string;
  /** Of a user who is known already; a new guest is entered without it. */
  readonly userToken?: string;
}

/** A participant that speaks the signalling and moves no media: for counting and for load. */
export class LightParticipant {
  readonly nodeId: string;
  readonly joined: ReplyData<'join'>;
  readonly #socket: WebSocket;
  readonly #pending: Map<number, PendingReply>;
  readonly #counts: NotificationCounts;
  #nextId = 2;

  private constructor(parts: {
    nodeId: string;
    socket: WebSocket;
    pending: Map<number, PendingReply>;
    counts: NotificationCounts;
    joined: ReplyData<'join'>;
  }) {
    this.nodeId = parts.nodeId;
    this.#socket = parts.socket;
    this.#pending = parts.pending;
    this.#counts = parts.counts;
    this.joined = parts.joined;
  }

  /** The whole token chain and the join. @throws MeridianError as the servers answered. */
  static async join(options: LightJoinOptions): Promise<LightParticipant> {
    const userToken = options.userToken ?? (await enterAsGuest(options.url, options.name));
    const session = await post(
      CreateSessionReply,
      `${options.url}/v1/sessions`,
      { room: options.room, ...(options.region === undefined ? {} : { region: options.region }) },
      userToken,
    );
    const socket = new WebSocket(session.wsUrl, [
      SIGNALLING_PROTOCOL,
      `${TOKEN_PROTOCOL_PREFIX}${session.sessionToken}`,
    ]);
    const pending = new Map<number, PendingReply>();
    const counts: NotificationCounts = new Map();
    try {
      const welcome = await firstNotification(socket, 'welcome', pending, counts);
      keepAlive(socket, welcome.pingEveryMs);
      const place = await post(JoinRoomReply, `${options.url}/v1/rooms/${options.room}/join`, {}, session.sessionToken);
      const joined = await request(socket, pending, 1, 'join', {
        roomToken: place.roomToken,
        rtpCapabilities: welcome.routerRtpCapabilities,
      });
      return new LightParticipant({ nodeId: welcome.nodeId, socket, pending, counts, joined });
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    return request(this.#socket, this.#pending, this.#nextId++, method, data);
  }

  async publish(
    transportId: string,
    kind: MediaKind,
    source: MediaSource,
    rtpParameters: RtpParameters,
  ): Promise<ReplyData<'publish'>> {
    return this.request('publish', { transportId, kind, source, rtpParameters });
  }

  /** Consumers that the node has opened for this participant so far. */
  get consumersOpened(): number {
    return this.told('consumer-opened');
  }

  /** How often the node has said this so far. */
  told(event: NotificationName): number {
    return this.#counts.get(event) ?? 0;
  }

  async leave(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    await this.request('leave', {}).catch(() => {});
    this.#socket.close();
    await closed;
  }
}

/** A peer that says nothing for long is dead to the node. */
function keepAlive(socket: WebSocket, everyMs: number): void {
  let id = 0;
  const timer = setInterval(() => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ t: 'ping', id: id++ }));
  }, everyMs);
  timer.unref();
  socket.once('close', () => clearInterval(timer));
}

type NotificationCounts = Map<string, number>;

interface PendingReply {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: Error) => void;
}

async function request<M extends RequestMethod>(
  socket: WebSocket,
  pending: Map<number, PendingReply>,
  id: number,
  method: M,
  data: RequestInput<M>,
): Promise<ReplyData<M>> {
  const reply = await new Promise<unknown>((resolve, reject) => {
    pending.set(id, { resolve, reject });
    socket.send(JSON.stringify({ t: 'req', id, method, data }));
  });
  return parseOrThrow(REQUESTS[method].reply, reply, 'internal', `reply to ${method}`) as ReplyData<M>;
}

/** Routes frames from now on; resolves with the first notification of that name. */
function firstNotification<N extends NotificationName>(
  socket: WebSocket,
  wanted: N,
  pending: Map<number, PendingReply>,
  counts: NotificationCounts,
): Promise<NotificationData<N>> {
  return new Promise((resolve, reject) => {
    socket.on('message', (raw) => {
      const frame = parseJson(ServerFrame, raw.toString());
      switch (frame.t) {
        case 'res':
          pending.get(frame.id)?.resolve(frame.data);
          pending.delete(frame.id);
          break;
        case 'err':
          pending.get(frame.id)?.reject(MeridianError.fromBody(frame.error));
          pending.delete(frame.id);
          break;
        case 'ntf':
          counts.set(frame.event, (counts.get(frame.event) ?? 0) + 1);
          if (frame.event === wanted && isNotificationName(frame.event)) {
            resolve(parseOrThrow(NOTIFICATIONS[wanted], frame.data) as NotificationData<N>);
          }
          break;
        case 'pong':
          break;
      }
    });
    socket.once('error', reject);
    socket.once('close', (code, reason) => {
      const error = new MeridianError('session-lost', { message: `closed with ${code} ${reason.toString()}` });
      reject(error);
      for (const one of pending.values()) one.reject(error);
      pending.clear();
    });
  });
}
