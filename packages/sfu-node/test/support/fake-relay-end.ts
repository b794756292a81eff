import type { RelayEnd, RelayEndStats } from '@meridian/media';
import {
  type DataProducerId,
  type LinkId,
  MeridianError,
  type ProducerId,
  type RelayEndpoint,
  type RelayedDataProducer,
  type RelayedProducer,
  type RoomId,
} from '@meridian/protocol';
import { FakeEmitter } from './fake-emitter.ts';
import { opusParameters } from './rtp.ts';

/** Where a fake relay end finds what can be consumed in its room. */
export interface FakeRegistry {
  readonly closed: boolean;
  producer(id: ProducerId): FakeProducer | undefined;
  dataProducer(id: DataProducerId): FakeDataProducer | undefined;
  putProducer(producer: FakeProducer): void;
  putDataProducer(producer: FakeDataProducer): void;
  relayEndClosed(end: FakeRelayEnd): void;
}

export interface FakeProducer {
  readonly info: Omit<RelayedProducer, 'rtpParameters' | 'paused'>;
  paused: boolean;
  /** Published here, not relayed to here. */
  readonly local: boolean;
  readonly watchers: Set<(what: 'paused' | 'resumed' | 'closed') => void>;
  closed: boolean;
}

export interface FakeDataProducer {
  readonly info: RelayedDataProducer;
  readonly local: boolean;
  readonly watchers: Set<(what: 'closed') => void>;
  closed: boolean;
}

export function setPaused(producer: FakeProducer, paused: boolean): void {
  if (producer.paused === paused || producer.closed) return;
  producer.paused = paused;
  for (const watch of [...producer.watchers]) watch(paused ? 'paused' : 'resumed');
}

export function closeFake(producer: FakeProducer | FakeDataProducer): void {
  if (producer.closed) return;
  producer.closed = true;
  for (const watch of [...producer.watchers]) watch('closed');
}

type Events = {
  'producer-paused': [ProducerId];
  'producer-resumed': [ProducerId];
  'producer-closed': [ProducerId];
  'data-producer-closed': [DataProducerId];
  closed: [];
};

let nextPort = 1_024;

/** Half a relay link that moves no media: it knows what runs over it, and says when it is misused. */
export class FakeRelayEnd extends FakeEmitter<Events> implements RelayEnd {
  readonly endpoint: RelayEndpoint;
  closed = false;
  connectedTo: RelayEndpoint | undefined;
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly role: 'puller' | 'origin';
  readonly #registry: FakeRegistry;
  readonly #step: (what: string) => Promise<void>;
  readonly #producers = new Map<ProducerId, FakeProducer>();
  readonly #data = new Map<DataProducerId, FakeDataProducer>();
  readonly #undo: (() => void)[] = [];
  readonly #accepting = new Set<ProducerId>();
  #accepted: Promise<void> = Promise.resolve();

  constructor(options: {
    linkId: LinkId;
    roomId: RoomId;
    role: 'puller' | 'origin';
    registry: FakeRegistry;
    step: (what: string) => Promise<void>;
  }) {
    super();
    this.linkId = options.linkId;
    this.roomId = options.roomId;
    this.role = options.role;
    this.#registry = options.registry;
    this.#step = options.step;
    nextPort = nextPort >= 65_000 ? 1_024 : nextPort + 1;
    this.endpoint = {
      ip: '127.0.0.1',
      port: nextPort,
      srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: 'a2V5' },
    };
  }

  get producerIds(): readonly ProducerId[] {
    return [...this.#producers.keys()];
  }

  get dataProducerIds(): readonly DataProducerId[] {
    return [...this.#data.keys()];
  }

  async connect(remote: RelayEndpoint): Promise<void> {
    this.#assertOpen();
    await this.#step('connect');
    this.#assertOpen();
    if (this.connectedTo !== undefined) throw new Error('a relay end is connected once');
    this.connectedTo = remote;
  }

  async offer(producerId: ProducerId): Promise<RelayedProducer> {
    this.#assertRole('origin');
    await this.#step('offer');
    this.#assertOpen();
    const producer = this.#registry.producer(producerId);
    if (producer === undefined || !producer.local) throw new MeridianError('producer-not-found');
    if (!this.#producers.has(producerId)) {
      this.#producers.set(producerId, producer);
      const watch = (what: 'paused' | 'resumed' | 'closed') => {
        if (!this.#producers.has(producerId)) return;
        if (what === 'closed') {
          this.#producers.delete(producerId);
          this.emit('producer-closed', producerId);
        } else {
          this.emit(what === 'paused' ? 'producer-paused' : 'producer-resumed', producerId);
        }
      };
      producer.watchers.add(watch);
      this.#undo.push(() => producer.watchers.delete(watch));
    }
    return { ...producer.info, rtpParameters: opusRelayed(), paused: producer.paused };
  }

  async offerData(dataProducerId: DataProducerId): Promise<RelayedDataProducer> {
    this.#assertRole('origin');
    await this.#step('offer');
    this.#assertOpen();
    const producer = this.#registry.dataProducer(dataProducerId);
    if (producer === undefined || !producer.local) throw new MeridianError('producer-not-found');
    if (!this.#data.has(dataProducerId)) {
      this.#data.set(dataProducerId, producer);
      const watch = () => {
        if (this.#data.delete(dataProducerId)) this.emit('data-producer-closed', dataProducerId);
      };
      producer.watchers.add(watch);
      this.#undo.push(() => producer.watchers.delete(watch));
    }
    return producer.info;
  }

  withdraw(producerId: ProducerId): void {
    this.#assertRole('origin');
    this.#producers.delete(producerId);
  }

  withdrawData(dataProducerId: DataProducerId): void {
    this.#assertRole('origin');
    this.#data.delete(dataProducerId);
  }

  /** The next stream is taken only when this is resolved. */
  slowAccept(): PromiseWithResolvers<void> {
    const accepted = Promise.withResolvers<void>();
    this.#accepted = accepted.promise;
    return accepted;
  }

  async accept(relayed: RelayedProducer): Promise<void> {
    this.#assertRole('puller');
    this.#accepting.add(relayed.producerId);
    await this.#step('accept');
    await this.#accepted;
    this.#assertOpen();
    if (this.#producers.has(relayed.producerId)) return;
    // As the real one: it was dropped before it was here.
    if (!this.#accepting.delete(relayed.producerId)) throw new MeridianError('producer-not-found');
    const { rtpParameters: _, paused, ...info } = relayed;
    const producer: FakeProducer = { info, paused, local: false, watchers: new Set(), closed: false };
    this.#producers.set(relayed.producerId, producer);
    this.#registry.putProducer(producer);
  }

  async acceptData(relayed: RelayedDataProducer): Promise<void> {
    this.#assertRole('puller');
    await this.#step('accept');
    this.#assertOpen();
    if (this.#data.has(relayed.dataProducerId)) return;
    const producer: FakeDataProducer = { info: relayed, local: false, watchers: new Set(), closed: false };
    this.#data.set(relayed.dataProducerId, producer);
    this.#registry.putDataProducer(producer);
  }

  drop(producerId: ProducerId): void {
    this.#assertRole('puller');
    this.#accepting.delete(producerId);
    const producer = this.#producers.get(producerId);
    this.#producers.delete(producerId);
    if (producer !== undefined) closeFake(producer);
  }

  dropData(dataProducerId: DataProducerId): void {
    this.#assertRole('puller');
    const producer = this.#data.get(dataProducerId);
    this.#data.delete(dataProducerId);
    if (producer !== undefined) closeFake(producer);
  }

  async setPaused(producerId: ProducerId, paused: boolean): Promise<void> {
    this.#assertRole('puller');
    const producer = this.#producers.get(producerId);
    if (producer !== undefined) setPaused(producer, paused);
  }

  pausedOf(producerId: ProducerId): boolean | undefined {
    return this.#producers.get(producerId)?.paused;
  }

  async stats(): Promise<RelayEndStats> {
    this.#assertOpen();
    return {
      rttMs: 20,
      jitterMs: 1,
      lossFraction: 0,
      bytesSent: 0,
      bytesReceived: 0,
      packetsSent: 0,
      packetsReceived: 0,
    };
  }

  /** What the pipe has carried. It grows by itself with each look, unless a test lets it stand still. */
  readonly carried = { bytesSent: 0, bytesReceived: 0 };
  flows = true;

  async traffic(): Promise<{ bytesSent: number; bytesReceived: number }> {
    this.#assertOpen();
    if (this.flows) {
      this.carried.bytesSent += 1_000;
      this.carried.bytesReceived += 1_000;
    }
    return { ...this.carried };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const undo of this.#undo) undo();
    if (this.role === 'puller') {
      for (const producer of [...this.#producers.values(), ...this.#data.values()]) closeFake(producer);
    }
    this.#producers.clear();
    this.#data.clear();
    this.#registry.relayEndClosed(this);
    this.emit('closed');
  }

  #assertOpen(): void {
    if (this.closed || this.#registry.closed) throw new MeridianError('closed');
  }

  #assertRole(role: 'puller' | 'origin'): void {
    this.#assertOpen();
    if (this.role !== role) throw new Error(`only the ${role} does this`);
  }
}

function opusRelayed(): RelayedProducer['rtpParameters'] {
  return opusParameters();
}
