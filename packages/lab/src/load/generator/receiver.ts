import {
  type MediaSection,
  openReceivingPeer,
  type ReceivingPeer,
  rtpPayload,
  rtpSequence,
} from '@meridian/harness/webrtc';
import type { ConsumerOptions, ProducerId, ReplyData, SessionId } from '@meridian/protocol';
import type { LightConnection } from '../../light/light-connection.ts';
import type { LogHistogram } from '../measure/log-histogram.ts';
import { Jitter, Reception } from '../media/reception.ts';
import { CAPTURE_TIME_URI, captureTimeOf } from '../media/rtp.ts';
import type { StreamFigures } from './contract.ts';

/** A stream that is received now. */
export interface Stream {
  readonly producerId: ProducerId;
  readonly sessionId: SessionId;
  readonly kind: 'audio' | 'video';
  readonly reception: Reception;
  readonly jitter: Jitter;
}

type Transport = ReplyData<'join'>['recvTransport'];

export interface ReceiverOptions {
  readonly person: number;
  readonly transport: Transport;
  readonly connection: LightConnection;
  readonly latency: LogHistogram;
  readonly nowMs: () => number;
  readonly onFirstPacket: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Receives one stream after the other as the node opens them, and counts what comes. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #waiting: ConsumerOptions[] = [];
  readonly #streams = new Map<string, Stream>();
  /** Of streams that ended. */
  readonly #past = { received: 0, expected: 0, bytes: 0 };
  #peer: ReceivingPeer | undefined;
  #working = false;
  #closed = false;
  #any = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  get streams(): readonly Stream[] {
    return [...this.#streams.values()];
  }

  get totals(): { received: number; expected: number; bytes: number } {
    const totals = { ...this.#past };
    for (const { reception } of this.#streams.values()) {
      totals.received += reception.received;
      totals.expected += reception.expected;
      totals.bytes += reception.bytes;
    }
    return totals;
  }

  figures(): StreamFigures[] {
    return [...this.#streams.values()].map(({ producerId, kind, reception }) => ({
      person: this.#options.person,
      producerId,
      kind,
      received: reception.received,
      expected: reception.expected,
    }));
  }

  opened(consumer: ConsumerOptions): void {
    this.#waiting.push(consumer);
    if (this.#working || this.#closed) return;
    this.#working = true;
    this.#work().then(
      () => {
        this.#working = false;
      },
      (error: unknown) => {
        this.#working = false;
        if (!this.#closed) this.#options.onFailure(error);
      },
    );
  }

  ended(consumerId: string): void {
    const stream = this.#streams.get(consumerId);
    if (stream === undefined) return;
    this.#streams.delete(consumerId);
    this.#past.received += stream.reception.received;
    this.#past.expected += stream.reception.expected;
    this.#past.bytes += stream.reception.bytes;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#peer?.close();
    this.#peer = undefined;
  }

  /** Descriptions are exchanged for all that wait at once: each exchange costs as much as there are streams already. */
  async #work(): Promise<void> {
    const { connection, transport } = this.#options;
    while (this.#waiting.length > 0 && !this.#closed) {
      const batch = this.#waiting.splice(0);
      const sections = batch.map(sectionOf);
      if (this.#peer === undefined) {
        const peer = await openReceivingPeer({
          transport,
          sections,
          connect: async (dtlsParameters) => {
            await connection.request('connect-transport', { transportId: transport.id, dtlsParameters });
          },
        });
        if (this.#closed) {
          peer.close();
          return;
        }
        this.#peer = peer;
      } else await this.#peer.add(sections);
      for (const [index, consumer] of batch.entries()) {
        const section = sections[index];
        if (section !== undefined) this.#listen(consumer, section);
      }
      await Promise.all(
        batch.map(({ consumerId }) =>
          connection.request('resume-consumer', { consumerId }).catch((error: unknown) => {
            // It ended meanwhile.
            if (this.#streams.has(consumerId) && connection.open) throw error;
          }),
        ),
      );
    }
  }

  #listen(consumer: ConsumerOptions, { mid, ssrc }: MediaSection): void {
    const { consumerId, producerId, sessionId, kind, rtpParameters } = consumer;
    const { latency, nowMs } = this.#options;
    const reception = new Reception();
    const jitter = new Jitter(rtpParameters.codecs[0]?.clockRate ?? 90_000);
    const extension = rtpParameters.headerExtensions?.find(({ uri }) => uri === CAPTURE_TIME_URI)?.id;
    this.#streams.set(consumerId, { producerId, sessionId, kind, reception, jitter });
    this.#peer?.onRtp(mid, (packet) => {
      if (packet.length < 12 || packet.readUInt32BE(8) !== ssrc) return;
      reception.packet(rtpSequence(packet), packet.length, packet.length - rtpPayload(packet).length);
      jitter.packet(packet.readUInt32BE(4), nowMs());
      const sentMs = extension === undefined ? undefined : captureTimeOf(packet, extension);
      if (sentMs !== undefined) latency.add(nowMs() - sentMs);
      if (this.#any) return;
      this.#any = true;
      this.#options.onFirstPacket();
    });
  }
}

function sectionOf({ kind, rtpParameters: { mid, codecs, encodings } }: ConsumerOptions): MediaSection {
  const [codec] = codecs;
  const ssrc = encodings?.[0]?.ssrc;
  if (codec === undefined || ssrc === undefined || mid === undefined) throw new Error('the stream is not described');
  const [, name = ''] = codec.mimeType.split('/');
  const channels = codec.channels === undefined ? '' : `/${codec.channels}`;
  return { mid, kind, codec: `${name}/${codec.clockRate}${channels}`, payloadType: codec.payloadType, ssrc };
}
