import { type MediaSection, openSendingPeer, type SendingPeer } from '@meridian/harness/webrtc';
import { CreateSessionReply, JoinRoomReply, MeridianError, type ProducerId, type ReplyData } from '@meridian/protocol';
import { enterAsGuest, post } from '../../light/api.ts';
import { type Detour, detouredTransport, detouredUrl } from '../../light/detour.ts';
import { type Heard, heardAs, LightConnection } from '../../light/light-connection.ts';
import type { LogHistogram } from '../measure/log-histogram.ts';
import type { FrameSource } from '../media/frame.ts';
import { RtpWriter } from '../media/rtp.ts';
import type { JOIN_STEPS, PersonPlan, Report, StreamFigures } from './contract.ts';
import { described, sectionOf } from './description.ts';
import { Receiver, type Stream } from './receiver.ts';
import { type SendCounters, StreamSender } from './sender.ts';

type Step = (typeof JOIN_STEPS)[number] | 'sending' | 'receiving';

export interface ParticipantOptions {
  readonly url: string;
  readonly plan: PersonPlan;
  /** As the others see it. */
  readonly name: string;
  /** Ways to the servers other than they announce. */
  readonly detour?: Detour | undefined;
  /** Makes the frames of a new stream; undefined for a kind that is not sent. */
  readonly sourceOf: (kind: 'audio' | 'video') => FrameSource | undefined;
  readonly countersOf: (kind: 'audio' | 'video') => SendCounters;
  readonly latency: LogHistogram;
  /** Unix time, milliseconds; the same in all processes. */
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly report: (report: Report) => void;
  /** Told what the node answered to the join, and everything it says. */
  readonly onJoined?: (joined: ReplyData<'join'>) => void;
  readonly onHeard?: (heard: Heard) => void;
  /** Told of every frame that goes out. */
  readonly onFrame?: (kind: 'audio' | 'video', atMs: number) => void;
}

/** One participant with a WebRTC client of its own: joins, sends, receives, and says how long each took. */
export class Participant {
  readonly #options: ParticipantOptions;
  readonly #startedMs: number;
  readonly #senders: StreamSender[] = [];
  #step: Step = 'guest';
  #connection: LightConnection | undefined;
  #sendingPeer: SendingPeer | undefined;
  #receiver: Receiver | undefined;
  readonly #early: Heard[] = [];
  /** With a limited number of streams: those that were not asked for yet, and how many were. */
  readonly #unasked: ProducerId[] = [];
  #asked = 0;
  #over = false;

  constructor(options: ParticipantOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs();
  }

  get streams(): readonly Stream[] {
    return this.#receiver?.streams ?? [];
  }

  get nodeId(): string | undefined {
    return this.#connection?.welcome.nodeId;
  }

  /** What the node says of it. @throws MeridianError `session-lost` outside of the call */
  async nodeStats(): Promise<ReplyData<'get-stats'>> {
    if (this.#connection === undefined) throw new MeridianError('session-lost');
    return this.#connection.request('get-stats', {});
  }

  get totals(): { received: number; expected: number; bytes: number } {
    return this.#receiver?.totals ?? { received: 0, expected: 0, bytes: 0 };
  }

  figures(): StreamFigures[] {
    return this.#receiver?.figures() ?? [];
  }

  /** Sends what is due. */
  run(nowMs: number): void {
    for (const sender of this.#senders) sender.run(nowMs);
  }

  /** Notices a connection that was lost without a word. */
  check(): void {
    if (this.#over || this.#connection === undefined || this.#connection.open) return;
    this.#lost('connection-lost');
  }

  /** Joins and begins to send; whatever goes wrong is reported, and ends it. */
  async begin(): Promise<void> {
    try {
      const joined = await this.#join();
      if (this.#over) return this.close();
      this.#step = 'sending';
      if (this.#options.plan.publishes) await this.#publish(joined);
      this.#step = 'receiving';
    } catch (error) {
      this.#fail(error);
    }
  }

  async leave(): Promise<void> {
    this.#over = true;
    this.#stopMedia();
    const connection = this.#connection;
    if (connection?.open) await connection.request('leave', {}).catch(() => {});
    await connection?.close();
  }

  /** Is gone at once. Idempotent. */
  close(): void {
    this.#over = true;
    this.#stopMedia();
    this.#connection?.cut();
  }

  async #join(): Promise<ReplyData<'join'>> {
    const { url, plan, name, nowMs, report, detour, onJoined } = this.#options;
    const { person, room, region, receives } = plan;
    const steps = { guest: 0, session: 0, connect: 0, place: 0, join: 0 };
    const timed = async <T>(step: keyof typeof steps, work: () => Promise<T>): Promise<T> => {
      this.#step = step;
      const began = nowMs();
      const result = await work();
      steps[step] = Math.max(0, nowMs() - began);
      return result;
    };
    const userToken = await timed('guest', () => enterAsGuest(url, name));
    const where = region === undefined ? {} : { region };
    const session = await timed('session', () =>
      post(CreateSessionReply, `${url}/v1/sessions`, { room, ...where }, userToken),
    );
    const connection = await timed('connect', () =>
      LightConnection.open({
        wsUrl: detouredUrl(session.wsUrl, detour),
        token: session.sessionToken,
        onHeard: (heard) => this.#hear(heard),
      }),
    );
    this.#connection = connection;
    const { roomToken } = await timed('place', () =>
      post(JoinRoomReply, `${url}/v1/rooms/${room}/join`, {}, session.sessionToken),
    );
    const joined = await timed('join', () =>
      connection.request('join', {
        roomToken,
        rtpCapabilities: connection.welcome.routerRtpCapabilities,
        autoSubscribe: receives === null,
      }),
    );
    const totalMs = Math.max(0, nowMs() - this.#startedMs);
    report({ report: 'joined', person, node: connection.welcome.nodeId, steps, totalMs });
    onJoined?.(joined);
    this.#receive(connection, joined);
    return joined;
  }

  #receive(connection: LightConnection, joined: ReplyData<'join'>): void {
    const { plan, latency, nowMs, report, detour } = this.#options;
    const { person } = plan;
    const others = joined.producers.filter(({ sessionId }) => sessionId !== joined.self.sessionId);
    this.#receiver = new Receiver({
      person,
      transport: detouredTransport(joined.recvTransport, detour),
      connection,
      latency,
      nowMs,
      onFirstPacket: () => {
        // Who comes first waits for others, not for the cluster.
        if (others.length > 0) report({ report: 'receiving', person, afterMs: Math.max(0, nowMs() - this.#startedMs) });
      },
      onFailure: (error) => {
        this.#step = 'receiving';
        this.#fail(error);
      },
    });
    for (const heard of this.#early.splice(0)) this.#take(heard);
    for (const { producerId } of others) this.#offered(producerId);
  }

  async #publish(joined: ReplyData<'join'>): Promise<void> {
    const { plan, random, sourceOf, countersOf, nowMs, report, detour, onFrame } = this.#options;
    const connection = this.#connection;
    if (connection === undefined) throw new MeridianError('session-lost');
    const { sendTransport } = joined;
    const sections: MediaSection[] = [];
    const sources: FrameSource[] = [];
    for (const kind of ['audio', 'video'] as const) {
      const source = sourceOf(kind);
      if (source === undefined) continue;
      const section = sectionOf(kind, 1 + Math.floor(random() * 0xffff_fff0));
      const { source: name, rtpParameters } = described(section, `load-${plan.person}`);
      await connection.request('publish', { transportId: sendTransport.id, kind, source: name, rtpParameters });
      sections.push(section);
      sources.push(source);
    }
    if (sections.length === 0) return;
    const peer = await openSendingPeer({
      transport: detouredTransport(sendTransport, detour),
      sections,
      connect: async (dtlsParameters) => {
        await connection.request('connect-transport', { transportId: sendTransport.id, dtlsParameters });
      },
    });
    if (this.#over) return peer.close();
    this.#sendingPeer = peer;
    for (const [index, { mid, kind, ssrc, payloadType }] of sections.entries()) {
      const source = sources[index];
      if (source === undefined) continue;
      const writer = new RtpWriter({ ssrc, payloadType, random });
      // Streams begin apart, as people do.
      const startMs = nowMs() + random() * 40;
      const counters = countersOf(kind);
      const told = onFrame === undefined ? undefined : (atMs: number) => onFrame(kind, atMs);
      this.#senders.push(new StreamSender({ peer, mid, source, writer, counters, startMs, nowMs, onFrame: told }));
    }
    report({ report: 'sending', person: plan.person, afterMs: Math.max(0, nowMs() - this.#startedMs) });
  }

  #hear(heard: Heard): void {
    this.#options.onHeard?.(heard);
    this.#take(heard);
  }

  #take(heard: Heard): void {
    const receiver = this.#receiver;
    if (heard.event === 'session-ended' || heard.event === 'media-lost') {
      if (this.#over) return;
      this.#lost(heardAs('session-ended', heard)?.reason ?? 'media-lost');
      return;
    }
    if (receiver === undefined) {
      this.#early.push(heard);
      return;
    }
    const opened = heardAs('consumer-opened', heard);
    if (opened !== undefined) receiver.opened(opened);
    const ended = heardAs('consumer-closed', heard);
    if (ended !== undefined) {
      receiver.ended(ended.consumerId);
      this.#asked -= 1;
      this.#ask();
    }
    const shown = heardAs('producer-opened', heard);
    if (shown !== undefined && shown.producer.sessionId !== this.#connection?.welcome.sessionId) {
      this.#offered(shown.producer.producerId);
    }
    const gone = heardAs('producer-closed', heard);
    if (gone !== undefined) {
      const at = this.#unasked.indexOf(gone.producerId);
      if (at >= 0) this.#unasked.splice(at, 1);
    }
  }

  #offered(producerId: ProducerId): void {
    if (this.#options.plan.receives === null || this.#unasked.includes(producerId)) return;
    this.#unasked.push(producerId);
    this.#ask();
  }

  /** Asks for as many streams as are wanted. */
  #ask(): void {
    const { receives } = this.#options.plan;
    const connection = this.#connection;
    if (receives === null || connection === undefined) return;
    while (this.#asked < receives && !this.#over) {
      const producerId = this.#unasked.shift();
      if (producerId === undefined) return;
      this.#asked += 1;
      connection.request('subscribe', { producerId }).then(
        (consumer) => this.#receiver?.opened(consumer),
        (error: unknown) => {
          this.#asked -= 1;
          // It ended before it was asked for.
          if (MeridianError.from(error).code !== 'producer-not-found') this.#fail(error);
        },
      );
    }
  }

  #lost(reason: string): void {
    this.#options.report({ report: 'lost', person: this.#options.plan.person, reason });
    this.close();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    const { plan, nowMs, report } = this.#options;
    const { code, message } = MeridianError.from(error);
    const afterMs = Math.max(0, nowMs() - this.#startedMs);
    report({ report: 'failed', person: plan.person, step: this.#step, code, message, afterMs });
    this.close();
  }

  #stopMedia(): void {
    this.#senders.length = 0;
    this.#sendingPeer?.close();
    this.#sendingPeer = undefined;
    this.#receiver?.close();
  }
}
