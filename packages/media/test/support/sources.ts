import { holdsPli, rtpPacket, rtpPayload, vp8Payload } from '@meridian/harness/webrtc';
import { DataProducerId, type MediaSource, ProducerId, type SessionId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { RoomMedia } from '../../src/index.ts';
import { toRtpParameters } from '../../src/wire.ts';
import type { PlacedRouter } from '../../src/workers/slot.ts';
import { insideOf, newSessionId } from './engines.ts';
import { AUDIO_LEVEL_EXTENSION, opusParameters, vp8Parameters } from './rtp.ts';

let nextSsrc = 10_000;

/** A publisher whose packets are made here: what a browser's send transport is in real life. */
export interface TestSource {
  readonly producerId: ProducerId;
  readonly sessionId: SessionId;
  readonly producer: types.Producer;
  /** Key frames that were asked of the publisher. */
  readonly keyFrameRequests: number;
  readonly sent: number;
  /** Sends one packet whose payload holds the text. */
  send(text?: string): void;
  /** Sends packets until `stop`; the n-th holds `<n>`. */
  start(options?: { everyMs?: number }): void;
  stop(): void;
  close(): void;
}

export async function publish(
  room: RoomMedia,
  options: {
    source: MediaSource;
    placed?: PlacedRouter;
    sessionId?: SessionId;
    /** Volume in -dBov (RFC 6464): 0 is loudest, 127 silence. */
    level?: number;
    /** The first video packet is a key frame, and each that follows a request. Default true. */
    keyFrames?: boolean;
  },
): Promise<TestSource> {
  const inside = insideOf(room);
  const placed = options.placed ?? firstRouter(room);
  const sessionId = options.sessionId ?? newSessionId();
  const kind = options.source === 'camera' || options.source === 'screen' ? 'video' : 'audio';
  const ssrc = nextSsrc;
  nextSsrc += 10;
  const transport = await placed.router.createDirectTransport();
  const producer = await transport.produce({
    kind,
    rtpParameters: toRtpParameters(kind === 'audio' ? opusParameters(ssrc) : vp8Parameters(ssrc)),
  });
  const producerId = ProducerId.parse(producer.id);
  const entry = {
    type: 'media',
    id: producerId,
    sessionId,
    kind,
    source: options.source,
    origin: 'here',
    home: placed,
    producer,
  } as const;
  let sequence = 0;
  let keyFrameRequests = 0;
  let keyFrameDue = options.keyFrames ?? true;
  let timer: NodeJS.Timeout | undefined;
  transport.on('rtcp', (packet) => {
    if (!holdsPli(packet)) return;
    keyFrameRequests++;
    keyFrameDue = options.keyFrames ?? true;
  });
  const send = (text = `<${sequence + 1}>`) => {
    sequence++;
    const common = { sequence, ssrc, marker: true };
    if (kind === 'audio') {
      const level = Buffer.from([0x80 | (options.level ?? 30)]);
      const extensions = new Map([[AUDIO_LEVEL_EXTENSION.id, level]]);
      const payload = Buffer.from(`opus ${text}`);
      producer.send(rtpPacket({ ...common, payloadType: 111, timestamp: sequence * 960, extensions, payload }));
    } else {
      const payload = vp8Payload({ keyFrame: keyFrameDue, text });
      keyFrameDue = false;
      producer.send(rtpPacket({ ...common, payloadType: 96, timestamp: sequence * 3_000, payload }));
    }
  };
  const stop = () => clearInterval(timer);
  producer.observer.once('close', stop);
  inside.published(entry);
  return {
    producerId,
    sessionId,
    producer,
    get keyFrameRequests() {
      return keyFrameRequests;
    },
    get sent() {
      return sequence;
    },
    send,
    start({ everyMs = 5 } = {}) {
      stop();
      timer = setInterval(send, everyMs);
    },
    stop,
    close() {
      stop();
      transport.close();
      inside.unpublished(entry);
    },
  };
}

/** A receiver that keeps the payloads it gets: what a browser's receive transport is in real life. */
export interface TestSink {
  readonly consumer: types.Consumer;
  readonly payloads: readonly Buffer[];
  /** The numbers of the packets that `start` sent, as they came. */
  readonly numbers: readonly number[];
  close(): void;
}

export async function receive(
  room: RoomMedia,
  producerId: ProducerId,
  placed: PlacedRouter = firstRouter(room),
): Promise<TestSink> {
  const inside = insideOf(room);
  const entry = inside.producer(producerId);
  if (entry === undefined) throw new Error('there is no such producer here');
  const release = await inside.bring(entry, placed);
  const transport = await placed.router.createDirectTransport();
  const consumer = await transport.consume({
    producerId,
    rtpCapabilities: placed.router.rtpCapabilities,
    paused: true,
  });
  const payloads: Buffer[] = [];
  consumer.on('rtp', (packet) => payloads.push(rtpPayload(packet)));
  await consumer.resume();
  return {
    consumer,
    payloads,
    get numbers() {
      return payloads.flatMap((payload) => {
        const found = /<(\d+)>/.exec(payload.toString('latin1'))?.[1];
        return found === undefined ? [] : [Number(found)];
      });
    },
    close() {
      transport.close();
      release();
    },
  };
}

export interface TestDataSource {
  readonly dataProducerId: DataProducerId;
  readonly producer: types.DataProducer;
  send(message: string | Buffer): void;
  close(): void;
}

export async function publishData(
  room: RoomMedia,
  options: {
    label?: string;
    protocol?: string;
    placed?: PlacedRouter;
    delivery?: { ordered?: boolean; maxRetransmits?: number };
  } = {},
): Promise<TestDataSource> {
  const inside = insideOf(room);
  const placed = options.placed ?? firstRouter(room);
  const transport = await placed.router.createDirectTransport();
  const producer = await transport.produceData({ label: options.label ?? '', protocol: options.protocol ?? '' });
  const entry = {
    type: 'data',
    id: DataProducerId.parse(producer.id),
    sessionId: newSessionId(),
    origin: 'here',
    home: placed,
    producer,
    delivery: options.delivery ?? {},
  } as const;
  inside.published(entry);
  return {
    dataProducerId: entry.id,
    producer,
    send: (message) => producer.send(message),
    close() {
      transport.close();
      inside.unpublished(entry);
    },
  };
}

export async function receiveData(
  room: RoomMedia,
  dataProducerId: DataProducerId,
  placed: PlacedRouter = firstRouter(room),
): Promise<{ messages: readonly { text: string; ppid: number }[]; consumer: types.DataConsumer }> {
  const inside = insideOf(room);
  const entry = inside.dataProducer(dataProducerId);
  if (entry === undefined) throw new Error('there is no such data producer here');
  await inside.bring(entry, placed);
  const transport = await placed.router.createDirectTransport();
  const consumer = await transport.consumeData({ dataProducerId });
  const messages: { text: string; ppid: number }[] = [];
  consumer.on('message', (message, ppid) => messages.push({ text: message.toString(), ppid }));
  return { messages, consumer };
}

export function firstRouter(room: RoomMedia): PlacedRouter {
  const [placed] = insideOf(room).routers;
  if (placed === undefined) throw new Error('the room has no router');
  return placed;
}
