import {
  assertNever,
  type ConsumerId,
  type ConsumerOptions,
  type DataConsumerId,
  type DataConsumerOptions,
  type DataProducerId,
  type MediaKind,
  type MediaSource,
  type ProducerId,
  type SessionId,
} from '@meridian/protocol';
import type { types } from 'mediasoup-client';
import { type SdkError, toSdkError } from '../errors.ts';
import { type Beginning, type Flow, FlowWatch } from './flow-watch.ts';
import { layerFor, type Shown, spatialLayersOf } from './layers.ts';
import { type LinkOptions, MediaLink } from './link.ts';
import { toDeviceRtpParameters, toDeviceSctpStream } from './wire.ts';

/** Media of somebody else, as it is received now. */
export interface RemoteTrack {
  readonly producerId: ProducerId;
  readonly sessionId: SessionId;
  readonly kind: MediaKind;
  readonly source: MediaSource;
  readonly track: MediaStreamTrack;
}

export interface DataMessage {
  readonly sessionId: SessionId;
  readonly label: string;
  readonly payload: string | ArrayBuffer;
}

/** How a track can be told to be of use. */
export interface FlowProbe {
  /** Calls back once when the track begins to be of use, and once when it flows steadily. Returns the cancelling. */
  watch(beginning: Beginning, onFlow: (flow: Flow) => void): () => void;
  /** Frames or packets so far. @throws when nothing comes in over its transport any more */
  count(): Promise<number>;
}

export interface ReceiverEvents {
  onTrack(track: RemoteTrack, flow: FlowProbe): void;
  onTrackGone(track: RemoteTrack): void;
  onData(message: DataMessage, from: DataProducerId): void;
  /** One stream could not be received; the call goes on without it. */
  onTrouble(error: SdkError): void;
}

interface Incoming {
  readonly consumer: types.Consumer;
  readonly consumerId: ConsumerId;
  /** Spatial ones the node can choose from; 1 where it forwards the stream as it is. */
  readonly layers: number;
  readonly remote: RemoteTrack;
  /** What the node was asked for last. */
  asked: { paused: boolean; layer: number | undefined };
}

/** The receiving side of one attachment. */
export class Receiver {
  readonly #link: MediaLink;
  readonly #options: LinkOptions;
  readonly #events: ReceiverEvents;
  readonly #incoming = new Map<ConsumerId, Incoming>();
  readonly #dataChannels = new Map<DataConsumerId, types.DataConsumer>();
  /** Closed by the node while our half was still being made. */
  readonly #closedEarly = new Set<ConsumerId | DataConsumerId>();
  readonly #sizeOf: (track: RemoteTrack) => Shown | undefined;
  readonly #flow: FlowWatch;

  constructor(options: LinkOptions, sizeOf: (track: RemoteTrack) => Shown | undefined, events: ReceiverEvents) {
    this.#options = options;
    this.#events = events;
    this.#sizeOf = sizeOf;
    this.#link = new MediaLink('recv', options);
    this.#flow = new FlowWatch({ runtime: options.runtime, getStats: () => this.transport.getStats() });
  }

  get transport(): types.Transport {
    return this.#link.transport;
  }

  get tracks(): readonly RemoteTrack[] {
    return [...this.#incoming.values()].map(({ remote }) => remote);
  }

  consumerOf(producerId: ProducerId): { consumer: types.Consumer; consumerId: ConsumerId } | undefined {
    return this.#of(producerId);
  }

  /** Makes our half of a consumer and lets it flow. Never throws; consumers do not wait for one another. */
  async open(offered: ConsumerOptions): Promise<void> {
    const { consumerId, producerId, sessionId, kind, source } = offered;
    try {
      const consumer = await this.transport.consume({
        id: consumerId,
        producerId,
        kind,
        rtpParameters: toDeviceRtpParameters(offered.rtpParameters),
        // Lip sync: the browser keeps tracks of one stream together.
        streamId: `${sessionId}-${source.startsWith('screen') ? 'screen' : 'person'}`,
      });
      if (this.#closedEarly.delete(consumerId)) return consumer.close();
      if (this.transport.closed) return;
      const remote: RemoteTrack = { producerId, sessionId, kind, source, track: consumer.track };
      const incoming: Incoming = {
        consumer,
        consumerId,
        layers: layersOf(offered),
        remote,
        asked: { paused: true, layer: undefined },
      };
      this.#incoming.set(consumerId, incoming);
      this.#events.onTrack(remote, {
        watch: (beginning, onFlow) => this.#flow.watch(remote.track, { kind, beginning }, onFlow),
        count: () => this.#flow.count(remote.track, kind),
      });
      await this.#adapt(incoming);
    } catch (error) {
      if (!this.transport.closed) this.#events.onTrouble(toSdkError(error, 'browser-unsupported'));
    }
  }

  closed(consumerId: ConsumerId): void {
    const incoming = this.#incoming.get(consumerId);
    if (incoming === undefined) {
      this.#closedEarly.add(consumerId);
      return;
    }
    this.#incoming.delete(consumerId);
    incoming.consumer.close();
    this.#events.onTrackGone(incoming.remote);
  }

  async openData(offered: DataConsumerOptions): Promise<void> {
    const { dataConsumerId, dataProducerId, sessionId, label, protocol } = offered;
    try {
      const channel = await this.transport.consumeData({
        id: dataConsumerId,
        dataProducerId,
        label,
        protocol,
        sctpStreamParameters: toDeviceSctpStream(offered.sctpStreamParameters),
      });
      if (this.#closedEarly.delete(dataConsumerId)) return channel.close();
      if (this.transport.closed) return;
      channel.binaryType = 'arraybuffer';
      this.#dataChannels.set(dataConsumerId, channel);
      channel.on('message', (payload: unknown) => {
        if (typeof payload === 'string' || payload instanceof ArrayBuffer) {
          this.#events.onData({ sessionId, label, payload }, dataProducerId);
        }
      });
    } catch (error) {
      if (!this.transport.closed) this.#events.onTrouble(toSdkError(error, 'browser-unsupported'));
    }
  }

  dataClosed(dataConsumerId: DataConsumerId): void {
    const channel = this.#dataChannels.get(dataConsumerId);
    if (channel === undefined) {
      this.#closedEarly.add(dataConsumerId);
      return;
    }
    this.#dataChannels.delete(dataConsumerId);
    channel.close();
  }

  /** The video of this source is shown in another size now. */
  async shownChanged(sessionId: SessionId, source: MediaSource): Promise<void> {
    const concerned = [...this.#incoming.values()].filter(
      ({ remote }) => remote.sessionId === sessionId && remote.source === source,
    );
    try {
      await Promise.all(concerned.map((incoming) => this.#adapt(incoming)));
    } catch (error) {
      if (!this.transport.closed) this.#events.onTrouble(toSdkError(error));
    }
  }

  restartIce(): void {
    this.#link.restartIce();
  }

  close(): void {
    this.#flow.close();
    this.#link.close();
    this.#incoming.clear();
    this.#dataChannels.clear();
  }

  /** Tells the node what we need of this consumer: nothing while it is hidden, else a layer of fitting size. */
  async #adapt(incoming: Incoming): Promise<void> {
    const { connection } = this.#options;
    const { consumerId, layers, asked, remote } = incoming;
    const shown = remote.kind === 'video' ? this.#sizeOf(remote) : undefined;
    const paused = shown === 'hidden';
    const wishes: Promise<unknown>[] = [];
    if (layers > 1 && shown !== undefined && shown !== 'hidden') {
      const layer = layerFor(shown, layers);
      if (layer !== asked.layer) {
        asked.layer = layer;
        wishes.push(connection.request('set-consumer-layers', { consumerId, spatialLayer: layer }));
      }
    }
    if (paused !== asked.paused) {
      asked.paused = paused;
      wishes.push(connection.request(paused ? 'pause-consumer' : 'resume-consumer', { consumerId }));
    }
    await Promise.all(wishes);
  }

  #of(producerId: ProducerId): Incoming | undefined {
    for (const incoming of this.#incoming.values()) {
      if (incoming.remote.producerId === producerId) return incoming;
    }
    return undefined;
  }
}

function layersOf({ type, rtpParameters }: ConsumerOptions): number {
  switch (type) {
    case 'simulcast':
    case 'svc':
      return spatialLayersOf(rtpParameters);
    case 'simple':
    case 'pipe':
      return 1;
    default:
      return assertNever(type);
  }
}
