import type { types } from 'mediasoup';
import type { PlacedRouter } from '../workers/slot.ts';

/** Direct transports, by which this process itself reads and writes data messages; one per router. */
export class DirectTransports {
  readonly #maxMessageBytes: number;
  readonly #transports = new Map<PlacedRouter, Promise<types.DirectTransport>>();
  #closed = false;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  on(placed: PlacedRouter): Promise<types.DirectTransport> {
    let transport = this.#transports.get(placed);
    if (transport === undefined) {
      transport = this.#open(placed);
      this.#transports.set(placed, transport);
      transport.catch(() => this.#transports.delete(placed));
    }
    return transport;
  }

  close(): void {
    this.#closed = true;
    for (const opening of this.#transports.values()) {
      opening.then(
        (transport) => transport.close(),
        () => {},
      );
    }
    this.#transports.clear();
  }

  async #open(placed: PlacedRouter): Promise<types.DirectTransport> {
    const transport = await placed.router.createDirectTransport({
      maxSendMessageSize: this.#maxMessageBytes,
      maxReceiveMessageSize: this.#maxMessageBytes,
    });
    if (this.#closed || placed.router.closed) transport.close();
    return transport;
  }
}
