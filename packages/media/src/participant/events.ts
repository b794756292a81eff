import type { ConsumerId, DataConsumerId, DataProducerId, ProducerId } from '@meridian/protocol';
import { closedError, mediaFailure } from '../failures.ts';
import type { TransportState } from './transport-state.ts';

export type ParticipantEvents = {
  'producer-closed': [{ producerId: ProducerId; reason: 'transport-closed' | 'worker-died' }];
  'consumer-closed': [{ consumerId: ConsumerId; producerId: ProducerId }];
  'consumer-updated': [{ consumerId: ConsumerId; producerPaused: boolean }];
  'consumer-layers': [{ consumerId: ConsumerId; spatialLayer: number | null; temporalLayer: number | null }];
  'consumer-score': [{ consumerId: ConsumerId; score: number; producerScore: number }];
  'data-producer-closed': [{ dataProducerId: DataProducerId }];
  'data-consumer-closed': [{ dataConsumerId: DataConsumerId; dataProducerId: DataProducerId }];
  'transport-state': [{ transport: 'send' | 'recv'; state: TransportState }];
  closed: [];
};

export type Tell<Events extends Record<string, readonly unknown[]>> = <E extends keyof Events>(
  event: E,
  ...args: Events[E]
) => void;

/** Keeps what is done for a participant within the participant's life. */
export class Guard {
  readonly #isClosed: () => boolean;

  constructor(isClosed: () => boolean) {
    this.#isClosed = isClosed;
  }

  assertOpen(): void {
    if (this.#isClosed()) throw closedError('participant');
  }

  /** What was asked of the worker; its refusals become `media-rejected`. */
  async asked<T>(what: string, asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (thrown) {
      this.assertOpen();
      // The worker answers refused parameters with plain errors too.
      throw mediaFailure(thrown, what, { otherwise: 'media-rejected' });
    }
  }

  /** As `asked`; what came up while the participant closed does not stay. */
  async opened<T extends { readonly closed: boolean; close(): void }>(what: string, opening: Promise<T>): Promise<T> {
    const object = await this.asked(what, opening);
    this.keep(object);
    return object;
  }

  keep(object: { readonly closed: boolean; close(): void }): void {
    if (!this.#isClosed() && !object.closed) return;
    object.close();
    throw closedError('participant');
  }
}
