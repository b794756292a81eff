import type {
  DataProducerId,
  MediaKind,
  MediaSource,
  ProducerId,
  SctpStreamParameters,
  SessionId,
} from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { PlacedRouter } from '../workers/slot.ts';

/** A producer that is to be had in the room: published here, or relayed to here. */
export interface RoomProducer {
  readonly type: 'media';
  readonly id: ProducerId;
  readonly sessionId: SessionId;
  readonly kind: MediaKind;
  readonly source: MediaSource;
  readonly origin: 'here' | 'elsewhere';
  readonly home: PlacedRouter;
  readonly producer: types.Producer;
}

export interface RoomDataProducer {
  readonly type: 'data';
  readonly id: DataProducerId;
  readonly sessionId: SessionId;
  readonly origin: 'here' | 'elsewhere';
  readonly home: PlacedRouter;
  readonly producer: types.DataProducer;
  /** How the publisher sends: every hop to its consumers does the same. */
  readonly delivery: Delivery;
}

/** Reliability of a data channel, as mediasoup's `consumeData` takes it. */
export type Delivery = Pick<types.DataConsumerOptions, 'ordered' | 'maxPacketLifeTime' | 'maxRetransmits'>;

export type RoomEntry = RoomProducer | RoomDataProducer;

/** Lets go of what was held; idempotent. */
export type Release = () => void;

/** What participants and relay ends need of their room. */
export interface Registry {
  producer(id: ProducerId): RoomProducer | undefined;
  dataProducer(id: DataProducerId): RoomDataProducer | undefined;
  published(entry: RoomEntry): void;
  unpublished(entry: RoomEntry): void;
  /**
   * Makes a producer consumable on `target` until the release is called.
   * @throws MeridianError `producer-not-found`, `media-unavailable`, `worker-died`
   */
  bring(entry: RoomEntry, target: PlacedRouter): Promise<Release>;
}

export function deliveryOf(parameters: SctpStreamParameters): Delivery {
  const { ordered, maxPacketLifeTime, maxRetransmits } = parameters;
  return {
    ...(ordered === undefined ? {} : { ordered }),
    ...(maxPacketLifeTime === undefined ? {} : { maxPacketLifeTime }),
    ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
  };
}
