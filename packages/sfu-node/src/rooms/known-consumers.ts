import { MeridianError } from '@meridian/protocol';

/**
 * The consumers of one kind that a participant has. Its page hears of the end of those it was told of, and of no other:
 * what was published may be gone while its consumer is being made.
 */
export class KnownConsumers<ConsumerId extends string, ProducerId extends string> {
  readonly #producers = new Map<ConsumerId, ProducerId>();
  readonly #told = new Set<ConsumerId>();

  /** The media has made it. */
  made(consumerId: ConsumerId, producerId: ProducerId): void {
    this.#producers.set(consumerId, producerId);
  }

  /** The page is told of it now. Returns whether it is still there; if not, the page must not be told. */
  tell(consumerId: ConsumerId): boolean {
    if (!this.#producers.has(consumerId)) return false;
    this.#told.add(consumerId);
    return true;
  }

  /** Returns whether the page has to be told that it is gone. Idempotent. */
  gone(consumerId: ConsumerId): boolean {
    this.#producers.delete(consumerId);
    return this.#told.delete(consumerId);
  }

  /** @throws MeridianError `consumer-not-found` */
  producerOf(consumerId: ConsumerId): ProducerId {
    const producerId = this.#producers.get(consumerId);
    if (producerId === undefined) throw new MeridianError('consumer-not-found');
    return producerId;
  }
}
