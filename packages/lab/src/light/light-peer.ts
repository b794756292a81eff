import {
  type MediaSection,
  openReceivingPeer,
  openSendingPeer,
  type ReceivingPeer,
  rtpPacket,
  type SendingPeer,
  vp8Payload,
} from '@meridian/harness/webrtc';
import {
  type ConsumerOptions,
  CreateSessionReply,
  JoinRoomReply,
  type MediaSource,
  MeridianError,
  type ProducerId,
  type ReplyData,
  type RtpParameters,
  type SessionId,
} from '@meridian/protocol';
import { enterAsGuest, post } from './api.ts';
import { type Heard, heardAs, LightConnection } from './light-connection.ts';
import { opusParameters } from './rtp-parameters.ts';

/** Milliseconds between two packets of each stream: opus's usual 20 ms. */
const PACKET_MS = 20;

export interface LightPeerOptions {
  readonly url: string;
  readonly room: string;
  readonly name: string;
  readonly region?: string;
  readonly onHeard?: (heard: Heard) => void;
}

interface Published {
  readonly producerId: ProducerId;
  readonly section: MediaSection;
}

/**
 * A participant with a small real WebRTC client (ICE, DTLS, SRTP): it sends opus and VP8 made by hand and counts what
 * it receives. It receives what the node has opened for it by the time of `receive`.
 */
export class LightPeer {
  readonly #options: LightPeerOptions;
  readonly consumers = new Map<string, ConsumerOptions>();
  /** Packets by producer. */
  readonly received = new Map<ProducerId, number>();
  readonly published = new Map<MediaSource, Published>();
  #userToken: string;
  #session: CreateSessionReply;
  #connection: LightConnection;
  #joined: ReplyData<'join'>;
  #sender: SendingPeer | undefined;
  #receiver: ReceivingPeer | undefined;
  #sending: NodeJS.Timeout | undefined;
  #packets = 0;
  /** The node ended the session, or has no media for it any more. */
  lost: string | undefined;

  private constructor(options: LightPeerOptions, userToken: string, first: Joined) {
    this.#options = options;
    this.#userToken = userToken;
    this.#session = first.session;
    this.#connection = first.connection;
    this.#joined = first.joined;
  }

  /** The whole token chain and the join. @throws MeridianError as the servers answered */
  static async join(options: LightPeerOptions): Promise<LightPeer> {
    const userToken = await enterAsGuest(options.url, options.name);
    const waiting: Heard[] = [];
    let peer: LightPeer | undefined;
    const first = await enter(options, userToken, {}, (heard) => {
      if (peer === undefined) waiting.push(heard);
      else peer.#hear(heard);
    });
    peer = new LightPeer(options, userToken, first);
    for (const heard of waiting) peer.#hear(heard);
    return peer;
  }

  get sessionId(): SessionId {
    return this.#session.sessionId;
  }

  get nodeId(): string {
    return this.#connection.welcome.nodeId;
  }

  get joined(): ReplyData<'join'> {
    return this.#joined;
  }

  get connection(): LightConnection {
    return this.#connection;
  }

  get connected(): boolean {
    return this.#connection.open && this.lost === undefined;
  }

  /** Pairs of packets that were sent. */
  get sent(): number {
    return this.#packets;
  }

  get receivedPackets(): number {
    return [...this.received.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Publishes and sends from now on. Once per attachment. */
  async publish(kinds: readonly ('audio' | 'video')[]): Promise<void> {
    const { sendTransport } = this.#joined;
    const ssrc = 1 + Math.floor(Math.random() * 0x3fff_fff0);
    for (const [index, kind] of kinds.entries()) {
      const rtpParameters = kind === 'audio' ? opusParameters(ssrc, this.sessionId) : vp8Parameters(ssrc + index);
      const source: MediaSource = kind === 'audio' ? 'microphone' : 'camera';
      const { producerId } = await this.#connection.request('publish', {
        transportId: sendTransport.id,
        kind,
        source,
        rtpParameters,
      });
      this.published.set(source, { producerId, section: sectionOf(kind, rtpParameters) });
    }
    const sender = await openSendingPeer({
      transport: sendTransport,
      sections: [...this.published.values()].map(({ section }) => section),
      connect: async (dtlsParameters) => {
        await this.#connection.request('connect-transport', { transportId: sendTransport.id, dtlsParameters });
      },
    });
    if (this.lost !== undefined) {
      sender.close();
      throw new MeridianError('session-lost');
    }
    this.#sender = sender;
    this.#sending = setInterval(() => this.#send(), PACKET_MS);
  }

  /** Receives what was opened for it so far. Once per attachment. */
  async receive(): Promise<void> {
    const { recvTransport } = this.#joined;
    const consumers = [...this.consumers.values()];
    if (consumers.length === 0) return;
    const sections = consumers.map(({ kind, rtpParameters }) => sectionOf(kind, rtpParameters));
    const receiver = await openReceivingPeer({
      transport: recvTransport,
      sections,
      connect: async (dtlsParameters) => {
        await this.#connection.request('connect-transport', { transportId: recvTransport.id, dtlsParameters });
      },
    });
    if (this.lost !== undefined) {
      receiver.close();
      throw new MeridianError('session-lost');
    }
    this.#receiver = receiver;
    for (const [index, { producerId, consumerId }] of consumers.entries()) {
      const section = sections[index];
      if (section === undefined) continue;
      receiver.onRtp(section.mid, (packet) => {
        if (packet.readUInt32BE(8) === section.ssrc)
          this.received.set(producerId, (this.received.get(producerId) ?? 0) + 1);
      });
      if (this.consumers.has(consumerId)) await this.#connection.request('resume-consumer', { consumerId });
    }
  }

  /** The WebSocket breaks and comes back. Returns whether the node had kept the participant. */
  async cutAndResume(): Promise<boolean> {
    const { resumePoint } = this.#connection;
    this.#connection.cut();
    const { wsUrl, sessionToken: token } = this.#session;
    this.#connection = await LightConnection.open({
      wsUrl,
      token,
      resume: resumePoint,
      onHeard: (heard) => this.#hear(heard),
    });
    if (!this.#connection.welcome.resumed) this.lost = 'not resumed';
    return this.#connection.welcome.resumed;
  }

  /** As a page that is loaded again: without media at first, maybe on another node. */
  async refresh(): Promise<void> {
    const old = this.#connection;
    this.#stopMedia();
    const next = await enter(
      this.#options,
      this.#userToken,
      { previousSessionToken: this.#session.sessionToken },
      (heard) => this.#hear(heard),
    );
    old.cut();
    this.#session = next.session;
    this.#connection = next.connection;
    this.#joined = next.joined;
    this.lost = undefined;
  }

  async leave(): Promise<void> {
    this.#stopMedia();
    if (this.#connection.open) await this.#connection.request('leave', {}).catch(() => {});
    await this.#connection.close();
  }

  /** Is gone without a word. */
  vanish(): void {
    this.#stopMedia();
    this.#connection.cut();
  }

  #stopMedia(): void {
    clearInterval(this.#sending);
    this.#sender?.close();
    this.#receiver?.close();
    this.#sender = undefined;
    this.#receiver = undefined;
    this.consumers.clear();
    this.received.clear();
    this.published.clear();
  }

  #send(): void {
    if (this.#sender === undefined) return;
    const sequence = ++this.#packets;
    for (const { section } of this.published.values()) {
      const audio = section.kind === 'audio';
      this.#sender.send(
        section.mid,
        rtpPacket({
          ...section,
          sequence,
          timestamp: sequence * PACKET_MS * (audio ? 48 : 90),
          marker: !audio,
          payload: audio
            ? Buffer.alloc(80, sequence & 0xff)
            : vp8Payload({ keyFrame: sequence % 50 === 1, text: 'x'.repeat(400) }),
        }),
      );
    }
  }

  #hear(heard: Heard): void {
    const opened = heardAs('consumer-opened', heard);
    if (opened !== undefined) this.consumers.set(opened.consumerId, opened);
    const closed = heardAs('consumer-closed', heard);
    if (closed !== undefined) this.consumers.delete(closed.consumerId);
    const ended = heardAs('session-ended', heard);
    if (ended !== undefined) this.lost = ended.reason;
    if (heardAs('media-lost', heard) !== undefined) this.lost = 'media lost';
    if (heardAs('welcome', heard)?.resumed === false) this.lost = undefined;
    const renewed = heardAs('session-token', heard);
    if (renewed !== undefined) this.#session = { ...this.#session, ...renewed };
    this.#options.onHeard?.(heard);
  }
}

interface Joined {
  readonly session: CreateSessionReply;
  readonly connection: LightConnection;
  readonly joined: ReplyData<'join'>;
}

async function enter(
  { url, room, region }: LightPeerOptions,
  userToken: string,
  previous: { previousSessionToken?: string },
  onHeard: (heard: Heard) => void,
): Promise<Joined> {
  const where = region === undefined ? {} : { region };
  const session = await post(CreateSessionReply, `${url}/v1/sessions`, { room, ...where, ...previous }, userToken);
  const connection = await LightConnection.open({ wsUrl: session.wsUrl, token: session.sessionToken, onHeard });
  try {
    const place = await post(JoinRoomReply, `${url}/v1/rooms/${room}/join`, {}, session.sessionToken);
    const joined = await connection.request('join', {
      roomToken: place.roomToken,
      rtpCapabilities: connection.welcome.routerRtpCapabilities,
    });
    return { session, connection, joined };
  } catch (error) {
    connection.cut();
    throw error;
  }
}

function sectionOf(kind: 'audio' | 'video', { mid, codecs, encodings }: RtpParameters): MediaSection {
  const [codec] = codecs;
  const ssrc = encodings?.[0]?.ssrc;
  if (codec === undefined || ssrc === undefined || mid === undefined) throw new Error('the stream is not described');
  const [, name = ''] = codec.mimeType.split('/');
  const channels = codec.channels === undefined ? '' : `/${codec.channels}`;
  return { mid, kind, codec: `${name}/${codec.clockRate}${channels}`, payloadType: codec.payloadType, ssrc };
}

function vp8Parameters(ssrc: number): RtpParameters {
  return {
    mid: '1',
    codecs: [
      {
        mimeType: 'video/VP8',
        payloadType: 96,
        clockRate: 90_000,
        parameters: {},
        rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
      },
    ],
    encodings: [{ ssrc }],
    rtcp: { cname: 'light-peer' },
  };
}
