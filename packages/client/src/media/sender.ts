import { type DataProducerId, MediaSource, ProducerId } from '@meridian/protocol';
import type { types } from 'mediasoup-client';
import { z } from 'zod';
import { ClientError } from '../errors.ts';
import { readReports } from '../stats/reports.ts';
import { codecOptionsOf, DEFAULT_VIDEO_CODEC, layerCountOf, linesOf, sendingOf, type VideoCodec } from './encodings.ts';
import { type LinkOptions, MediaLink } from './link.ts';

export interface Outgoing {
  readonly source: MediaSource;
  readonly producer: types.Producer;
  readonly producerId: ProducerId;
  /** Spatial layers of a camera. */
  readonly layers: number;
  /** False: it was asked to be sent in one. */
  readonly simulcast: boolean;
}

/** Rides in mediasoup-client's `appData` from `produce()` to its event. */
const Intent = z.object({ source: MediaSource, paused: z.boolean(), replaces: ProducerId.optional() });

/** Bytes that may wait in a data channel before `sendData` refuses. */
const MOST_BUFFERED_BYTES = 1_000_000;

/** The sending side of one attachment. It never stops the tracks it is given. */
export class Sender {
  readonly #link: MediaLink;
  readonly #options: LinkOptions;
  readonly #outgoing = new Map<MediaSource, Outgoing>();
  readonly #channels = new Map<string, Promise<types.DataProducer>>();
  readonly #producerIds = new Map<string, Promise<ProducerId>>();
  readonly #dataProducerIds = new Map<string, Promise<DataProducerId>>();
  #nextLocalId = 1;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#link = new MediaLink('send', options);
    const { connection } = options;
    const { transport, transportId } = this.#link;
    // mediasoup-client handles one `produce` at a time and waits for its id. It gets an id of our own
    // at once, so that several publications cost one round trip together; the node's id follows.
    transport.on('produce', ({ kind, rtpParameters, appData }, done) => {
      const reply = connection.request('publish', { transportId, kind, rtpParameters, ...Intent.parse(appData) });
      done({ id: this.#owed(this.#producerIds, reply, ({ producerId }) => producerId) });
    });
    transport.on('producedata', ({ sctpStreamParameters, label = '', protocol = '' }, done) => {
      const reply = connection.request('publish-data', { transportId, label, protocol, sctpStreamParameters });
      done({ id: this.#owed(this.#dataProducerIds, reply, ({ dataProducerId }) => dataProducerId) });
    });
  }

  get transport(): types.Transport {
    return this.#link.transport;
  }

  outgoing(source: MediaSource): Outgoing | undefined {
    return this.#outgoing.get(source);
  }

  get all(): readonly Outgoing[] {
    return [...this.#outgoing.values()];
  }

  /** @throws what the node answered; ClientError `connection-lost` when the attachment ends meanwhile */
  async publish(
    source: MediaSource,
    track: MediaStreamTrack,
    {
      paused,
      videoCodec = DEFAULT_VIDEO_CODEC,
      simulcast = true,
      replaces,
      leastBps,
    }: {
      paused: boolean;
      videoCodec?: VideoCodec | undefined;
      simulcast?: boolean;
      replaces?: ProducerId | undefined;
      /** The connection is known to carry that much. */
      leastBps?: number | undefined;
    },
  ): Promise<Outgoing> {
    const { device } = this.#options;
    const producer = await this.transport.produce({
      track,
      ...sendingOf(source, videoCodec, device.sendRtpCapabilities, linesOf(track), simulcast),
      codecOptions: codecOptionsOf(source, leastBps),
      stopTracks: false,
      disableTrackOnPause: false,
      appData: { source, paused, ...(replaces === undefined ? {} : { replaces }) },
    });
    try {
      const producerId = await this.#paid(this.#producerIds, producer.id);
      if (this.transport.closed) throw new ClientError('connection-lost');
      if (paused) producer.pause();
      const outgoing = { source, producer, producerId, layers: layerCountOf(source, track, simulcast), simulcast };
      this.#outgoing.set(source, outgoing);
      return outgoing;
    } catch (error) {
      producer.close();
      throw error;
    }
  }

  async unpublish(source: MediaSource): Promise<void> {
    const outgoing = this.#outgoing.get(source);
    if (outgoing === undefined) return;
    this.#outgoing.delete(source);
    outgoing.producer.close();
    await this.#options.connection.request('unpublish', { producerId: outgoing.producerId });
  }

  /** Here at once, whatever the node answers. @throws ClientError `not-published`; what the node answered, or that it did not */
  async setPaused(source: MediaSource, paused: boolean): Promise<void> {
    const { producer, producerId } = this.#get(source);
    if (paused) producer.pause();
    else producer.resume();
    await this.#options.connection.request(paused ? 'pause-producer' : 'resume-producer', { producerId });
  }

  /** May this track take the place of the one before, or is its picture worth more or fewer layers? */
  canReplace(source: MediaSource, track: MediaStreamTrack): boolean {
    const { layers, simulcast } = this.#get(source);
    return layerCountOf(source, track, simulcast) === layers;
  }

  /** @throws ClientError `not-published` */
  async replaceTrack(source: MediaSource, track: MediaStreamTrack | null): Promise<void> {
    await this.#get(source).producer.replaceTrack({ track });
  }

  /** Opens the channel of a label ahead, so that the first message finds listeners on the other side. */
  async openChannel(label: string): Promise<types.DataProducer> {
    let opening = this.#channels.get(label);
    if (opening === undefined) {
      opening = this.#open(label).catch((error: unknown) => {
        this.#channels.delete(label);
        throw error;
      });
      this.#channels.set(label, opening);
    }
    return opening;
  }

  /** @throws ClientError `data-backlog` */
  async sendData(label: string, payload: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const channel = await this.openChannel(label);
    if (channel.bufferedAmount > MOST_BUFFERED_BYTES) throw new ClientError('data-backlog');
    channel.send(payload);
  }

  /** Labels of the channels that are open, or about to be. */
  get channelLabels(): readonly string[] {
    return [...this.#channels.keys()];
  }

  /** Is nothing waiting to be sent over the data channels? */
  async dataSent(): Promise<boolean> {
    const channels = await Promise.allSettled(this.#channels.values());
    return channels.every((one) => one.status === 'rejected' || one.value.bufferedAmount === 0);
  }

  /** What the browser thinks that the way to the node carries, bit/s; undefined where it does not say. Never throws. */
  async carriedBps(): Promise<number | undefined> {
    try {
      const reports = readReports(await this.transport.getStats());
      return reports.find(({ type, nominated }) => type === 'candidate-pair' && nominated)?.availableOutgoingBitrate;
    } catch {
      return undefined;
    }
  }

  restartIce(): void {
    this.#link.restartIce();
  }

  /** Ends the encoders; what was published stays, with nothing in it. Never throws. */
  async silence(): Promise<void> {
    for (const { producer } of this.all) {
      if (!producer.closed) await producer.replaceTrack({ track: null }).catch(() => {});
    }
  }

  close(): void {
    this.#link.close();
    this.#outgoing.clear();
    this.#channels.clear();
  }

  async #open(label: string): Promise<types.DataProducer> {
    const channel = await this.transport.produceData({ label, ordered: true });
    const opened = new Promise<void>((resolve, reject) => {
      if (channel.readyState === 'open') resolve();
      channel.on('open', resolve);
      const lost = () => reject(new ClientError('connection-lost'));
      channel.on('close', lost);
      channel.on('transportclose', lost);
    });
    try {
      await Promise.all([opened, this.#paid(this.#dataProducerIds, channel.id)]);
    } catch (error) {
      channel.close();
      throw error;
    }
    channel.on('close', () => this.#channels.delete(label));
    return channel;
  }

  #get(source: MediaSource): Outgoing {
    const outgoing = this.#outgoing.get(source);
    if (outgoing === undefined) throw new ClientError('not-published');
    return outgoing;
  }

  /** Notes what the node will answer under an id of our own. */
  #owed<Id, Reply>(debts: Map<string, Promise<Id>>, reply: Promise<Reply>, idOf: (reply: Reply) => Id): string {
    const localId = `local-${this.#nextLocalId}`;
    this.#nextLocalId += 1;
    const id = reply.then(idOf);
    // Whoever asks for it gets the failure; nobody asking is no failure of its own.
    id.catch(() => {});
    debts.set(localId, id);
    return localId;
  }

  #paid<Id>(debts: Map<string, Promise<Id>>, localId: string): Promise<Id> {
    const id = debts.get(localId);
    debts.delete(localId);
    return id ?? Promise.reject(new ClientError('connection-lost'));
  }
}
