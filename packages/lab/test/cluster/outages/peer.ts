import { eventually } from '@meridian/harness';
import { openReceivingPeer, openSendingPeer, rtpPacket } from '@meridian/harness/webrtc';
import {
  Asker,
  CreateSessionReply,
  isNotificationName,
  JoinRoomReply,
  type NotificationData,
  type NotificationName,
  type ProducerId,
  parseJson,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type ResumePoint,
  readNotification,
  resumeProtocol,
  ServerFrame,
  type SessionId,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { WebSocket } from 'ws';
import { enterAsGuest, post } from '../../../src/light/api.ts';
import { opusParameters } from '../../../src/light/rtp-parameters.ts';

const OPUS = { kind: 'audio', codec: 'opus/48000/2', payloadType: 111 } as const;
let ssrcs = 1_000;

interface Heard {
  readonly event: NotificationName;
  readonly seq: number;
  readonly data: unknown;
}

/** Where and as whom. */
export interface PeerOptions {
  readonly url: string;
  readonly room: string;
  readonly name: string;
  readonly region?: string;
  /** Instead of a new guest's. */
  readonly userToken?: string;
}

/** Somebody in a call with a real WebRTC client, who talks and listens, and whose signalling is checked frame by frame. */
export class Peer {
  readonly name: string;
  readonly nodeId: string;
  readonly sessionId: SessionId;
  readonly joined: ReplyData<'join'>;
  readonly #line: Line;
  readonly #session: CreateSessionReply;
  readonly #undo: (() => void)[] = [];

  private constructor(
    name: string,
    line: Line,
    session: CreateSessionReply,
    nodeId: string,
    joined: ReplyData<'join'>,
  ) {
    this.name = name;
    this.#line = line;
    this.#session = session;
    this.nodeId = nodeId;
    this.joined = joined;
    this.sessionId = joined.self.sessionId;
  }

  /** The whole token chain and the join. @throws MeridianError as the servers answered */
  static async join({ url, room, name, region, userToken }: PeerOptions): Promise<Peer> {
    const token = userToken ?? (await enterAsGuest(url, name));
    const where = region === undefined ? {} : { region };
    const session = await post(CreateSessionReply, `${url}/v1/sessions`, { room, ...where }, token);
    const line = new Line(session.wsUrl, session.sessionToken);
    try {
      const welcome = await line.until('welcome');
      const place = await post(JoinRoomReply, `${url}/v1/rooms/${room}/join`, {}, session.sessionToken);
      const joined = await line.request('join', {
        roomToken: place.roomToken,
        rtpCapabilities: welcome.routerRtpCapabilities,
      });
      return new Peer(name, line, session, welcome.nodeId, joined);
    } catch (error) {
      line.close();
      throw error;
    }
  }

  get lastSeq(): number {
    return this.#line.heard.at(-1)?.seq ?? 1;
  }

  /** Why the connection is closed; undefined while it stands. */
  get closed(): string | undefined {
    return this.#line.closed;
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    return this.#line.request(method, data);
  }

  all<N extends NotificationName>(event: N): NotificationData<N>[] {
    return this.#line.all(event);
  }

  until<N extends NotificationName>(event: N, fits?: (data: NotificationData<N>) => boolean) {
    return this.#line.until(event, fits);
  }

  /** Opens a second connection for the same session that takes up where this one left off. */
  async resume(from: ResumePoint): Promise<NotificationData<'welcome'>> {
    const line = new Line(this.#session.wsUrl, this.#session.sessionToken, from);
    this.#undo.push(() => line.close());
    return line.until('welcome');
  }

  /** Cuts the connection, as a lost network would. */
  cut(): void {
    this.#line.terminate();
  }

  /** Publishes a microphone and sends a packet every 10 ms. */
  async talk(): Promise<ProducerId> {
    ssrcs += 1;
    const section = { ...OPUS, mid: '0', ssrc: ssrcs };
    const transport = this.joined.sendTransport;
    const { producerId } = await this.request('publish', {
      transportId: transport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(section.ssrc, this.name),
    });
    const peer = await openSendingPeer({
      transport,
      sections: [section],
      connect: async (dtlsParameters) => {
        await this.request('connect-transport', { transportId: transport.id, dtlsParameters });
      },
    });
    let sequence = 0;
    const timer = setInterval(() => {
      sequence += 1;
      peer.send(
        section.mid,
        rtpPacket({ ...section, sequence, timestamp: sequence * 480, payload: Buffer.alloc(60, sequence) }),
      );
    }, 10);
    this.#undo.push(() => {
      clearInterval(timer);
      peer.close();
    });
    return producerId;
  }

  /** Receives those producers; what is returned counts the packets that have arrived of each. */
  async listen(...producers: ProducerId[]): Promise<(producerId: ProducerId) => number> {
    const consumers = [];
    for (const id of producers)
      consumers.push(await this.until('consumer-opened', ({ producerId }) => producerId === id));
    const transport = this.joined.recvTransport;
    const counts = new Map<ProducerId, number>();
    const sections = consumers.map(({ producerId, rtpParameters: { mid = '', codecs, encodings } }) => ({
      ...OPUS,
      producerId,
      mid,
      payloadType: codecs[0]?.payloadType ?? OPUS.payloadType,
      ssrc: encodings?.[0]?.ssrc ?? 0,
    }));
    const peer = await openReceivingPeer({
      transport,
      sections,
      connect: async (dtlsParameters) => {
        await this.request('connect-transport', { transportId: transport.id, dtlsParameters });
      },
    });
    this.#undo.push(() => peer.close());
    for (const { mid, ssrc, producerId } of sections) {
      peer.onRtp(mid, (packet) => {
        if (packet.readUInt32BE(8) === ssrc) counts.set(producerId, (counts.get(producerId) ?? 0) + 1);
      });
    }
    for (const { consumerId } of consumers) await this.request('resume-consumer', { consumerId });
    return (producerId) => counts.get(producerId) ?? 0;
  }

  async leave(): Promise<void> {
    if (this.closed === undefined) await this.request('leave', {}).catch(() => {});
    this.close();
  }

  close(): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#line.close();
  }
}

/** One WebSocket of a session. */
class Line {
  readonly heard: Heard[] = [];
  closed: string | undefined;
  readonly #socket: WebSocket;
  readonly #asker = new Asker((text) => this.#socket.send(text));
  readonly #alive: NodeJS.Timeout;

  constructor(wsUrl: string, token: string, from?: ResumePoint) {
    this.#socket = new WebSocket(wsUrl, [
      SIGNALLING_PROTOCOL,
      `${TOKEN_PROTOCOL_PREFIX}${token}`,
      ...(from === undefined ? [] : [resumeProtocol(from)]),
    ]);
    this.#socket.on('message', (data) => this.#receive(data.toString()));
    this.#socket.on('error', (error) => this.#ended(error.message));
    this.#socket.on('close', (code, reason) => this.#ended(`${code} ${reason.toString()}`));
    this.#alive = setInterval(() => {
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      this.#socket.send(JSON.stringify({ t: 'ping', id: this.#asker.takeId() }));
    }, 1_000);
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    return this.#asker.request(method, data);
  }

  all<N extends NotificationName>(event: N): NotificationData<N>[] {
    return this.heard.filter((one) => one.event === event).map((one) => readNotification(event, one.data));
  }

  /** The first notification of that name that fits, heard already or to come. */
  async until<N extends NotificationName>(
    event: N,
    fits: (data: NotificationData<N>) => boolean = () => true,
  ): Promise<NotificationData<N>> {
    const found = await eventually(
      `a ${event} that fits`,
      () => {
        const data = this.all(event).find(fits);
        if (data === undefined && this.closed !== undefined) throw new Error(`closed: ${this.closed}`);
        return data === undefined ? false : { data };
      },
      { withinMs: 20_000 },
    );
    return found.data;
  }

  terminate(): void {
    this.#socket.terminate();
  }

  close(): void {
    clearInterval(this.#alive);
    this.#socket.close();
  }

  #ended(why: string): void {
    this.closed ??= why;
    clearInterval(this.#alive);
    this.#asker.fail(new Error(`closed: ${why}`));
  }

  #receive(text: string): void {
    const frame = parseJson(ServerFrame, text, 'internal', 'server frame');
    this.#asker.hear(frame);
    if (frame.t !== 'ntf') return;
    if (!isNotificationName(frame.event)) throw new Error(`unknown notification ${frame.event}`);
    this.heard.push({ event: frame.event, seq: frame.seq, data: frame.data });
  }
}
