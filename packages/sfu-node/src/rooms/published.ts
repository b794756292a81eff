import {
  type DataProducerId,
  type DataProducerInfo,
  type MediaSource,
  MeridianError,
  type ProducerId,
  type ProducerInfo,
} from '@meridian/protocol';

/** What one participant publishes: one producer per source, a limited number of data channels. */
export class Published {
  readonly #producers = new Map<ProducerId, ProducerInfo>();
  readonly #dataProducers = new Map<DataProducerId, DataProducerInfo>();
  readonly #reservedSources = new Set<MediaSource>();
  #reservedDataProducers = 0;

  get producers(): readonly ProducerInfo[] {
    return [...this.#producers.values()];
  }

  get dataProducers(): readonly DataProducerInfo[] {
    return [...this.#dataProducers.values()];
  }

  producer(producerId: ProducerId): ProducerInfo | undefined {
    return this.#producers.get(producerId);
  }

  dataProducer(dataProducerId: DataProducerId): DataProducerInfo | undefined {
    return this.#dataProducers.get(dataProducerId);
  }

  /**
   * Holds a source while its producer is made. Returns the release, to be called in every case.
   * @throws MeridianError `too-many-producers` when it is taken
   */
  reserveSource(source: MediaSource): () => void {
    if (this.#reservedSources.has(source) || this.producers.some((one) => one.source === source)) {
      throw new MeridianError('too-many-producers', { message: `The session publishes its ${source} already.` });
    }
    this.#reservedSources.add(source);
    return () => this.#reservedSources.delete(source);
  }

  /** @throws MeridianError `too-many-producers` */
  reserveDataProducer(most: number): () => void {
    if (this.#dataProducers.size + this.#reservedDataProducers >= most) throw new MeridianError('too-many-producers');
    this.#reservedDataProducers += 1;
    return () => {
      this.#reservedDataProducers -= 1;
    };
  }

  addProducer(info: ProducerInfo): void {
    this.#producers.set(info.producerId, info);
  }

  addDataProducer(info: DataProducerInfo): void {
    this.#dataProducers.set(info.dataProducerId, info);
  }

  setPaused(producerId: ProducerId, paused: boolean): void {
    const info = this.#producers.get(producerId);
    if (info !== undefined) this.#producers.set(producerId, { ...info, paused });
  }

  /** Returns whether it was there. */
  removeProducer(producerId: ProducerId): boolean {
    return this.#producers.delete(producerId);
  }

  removeDataProducer(dataProducerId: DataProducerId): boolean {
    return this.#dataProducers.delete(dataProducerId);
  }
}
