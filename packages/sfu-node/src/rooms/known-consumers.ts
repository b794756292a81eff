import { MeridianError } from '@meridian/protocol';

/**
 * The consumers of one kind that a participant has, each as it is now. Its page hears of those it was told of, and of no other:
 * what was published may be gone while its consumer is being made, and a request that waited too long was refused though
 * its consumer came in the end.
 */
export class KnownConsumers<ConsumerId extends string, ProducerId extends string, Opened extends object> {
  readonly #consumers = new Map<ConsumerId, { readonly producerId: ProducerId; opened: Opened; isTold: boolean }>();

  /** The media has made it. */
  made(consumerId: ConsumerId, producerId: ProducerId, opened: Opened): void {
    this.#consumers.set(consumerId, { producerId, opened, isTold: false });
  }

  /** Returns whether the page has to be told of the change. If not, it hears of it together with the consumer. */
  changed(consumerId: ConsumerId, change: Partial<Opened>): boolean {
    const known = this.#consumers.get(consumerId);
    if (known === undefined) return false;
    known.opened = { ...known.opened, ...change };
    return known.isTold;
  }

  /** Does the page know of it? */
  isTold(consumerId: ConsumerId): boolean {
    return this.#consumers.get(consumerId)?.isTold ?? false;
  }

  /** The page is told of it now, as it is now. Undefined when it is gone: the page must not be told. */
  tell(consumerId: ConsumerId): Opened | undefined {
    const known = this.#consumers.get(consumerId);
    if (known !== undefined) known.isTold = true;
    return known?.opened;
  }

  /** Returns whether the page has to be told that it is gone. Idempotent. */
  gone(consumerId: ConsumerId): boolean {
    const wasTold = this.isTold(consumerId);
    this.#consumers.delete(consumerId);
    return wasTold;
  }

  /** @throws MeridianError `consumer-not-found` */
  producerOf(consumerId: ConsumerId): ProducerId {
    const known = this.#consumers.get(consumerId);
    if (known === undefined) throw new MeridianError('consumer-not-found');
    return known.producerId;
  }
}
