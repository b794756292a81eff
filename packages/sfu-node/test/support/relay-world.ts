import { randomUUID } from 'node:crypto';
import {
  type DataProducerId,
  type MediaSource,
  NodeId,
  type ProducerId,
  RoomId,
  SessionId,
  TransportId,
} from '@meridian/protocol';
import { pino } from 'pino';
import { mediaItem } from '../../src/relay/relay-item.ts';
import { RelayManager } from '../../src/relay/relay-manager.ts';
import type { Pull } from '../../src/relay/wants.ts';
import { FakeBus, type Fate } from './fake-bus.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakeMediaEngine, type FakeRoom } from './fake-media.ts';
import type { FakeParticipant } from './fake-participant.ts';
import { opusParameters } from './rtp.ts';

export const ORIGIN = NodeId.parse('origin');
export const PULLER = NodeId.parse('puller');
export const ROOM = RoomId.parse('room');

export interface RelayWorldOptions {
  /** Milliseconds that the n-th message or media call takes. */
  readonly delayMs?: () => number;
  readonly fate?: (method: string) => Fate;
  /** Default 100. */
  readonly graceMs?: number;
  /** Makes the media's steps fail. */
  readonly fails?: (what: string) => boolean;
}

/** Two nodes with one room, a publisher on the one and somebody who may want to receive on the other. */
export class RelayWorld {
  readonly clock = new FakeClock();
  readonly bus: FakeBus;
  readonly media = { origin: new FakeMediaEngine(), puller: new FakeMediaEngine() };
  readonly relays: { readonly origin: RelayManager; readonly puller: RelayManager };
  readonly ended: string[] = [];
  readonly troubles: string[] = [];
  /** What happens while nothing is to go wrong any more. */
  calm = false;
  publisher!: FakeParticipant;

  private constructor(options: RelayWorldOptions) {
    const delayMs = () => (this.calm ? 1 : (options.delayMs?.() ?? 1));
    const travel = () => new Promise<void>((resolve) => this.clock.after(delayMs(), resolve));
    const step = async (what: string) => {
      await travel();
      if (!this.calm && options.fails?.(what)) throw new Error(`${what} fails`);
    };
    this.media.origin.step = step;
    this.media.puller.step = step;
    this.bus = new FakeBus({
      travel,
      deadline: () => new Promise<void>((resolve) => this.clock.after(3_000, resolve)),
      fate: (method) => (this.calm ? 'arrives' : (options.fate?.(method) ?? 'arrives')),
    });
    const manager = (name: 'origin' | 'puller') =>
      new RelayManager({
        media: this.media[name],
        inbox: this.bus.inbox(name),
        clock: this.clock,
        random: () => 0.5,
        newId: randomUUID,
        log: pino({ level: 'silent' }),
        graceMs: options.graceMs ?? 100,
        checkEveryMs: 5_000,
        observer: {
          opened: () => {},
          ended: (role, _remote, why) => this.ended.push(`${role}: ${why}`),
          setup: () => {},
        },
      });
    this.relays = { origin: manager('origin'), puller: manager('puller') };
    this.relays.puller.onTrouble(({ code }) => this.troubles.push(code));
  }

  static async start(options: RelayWorldOptions = {}): Promise<RelayWorld> {
    const world = new RelayWorld(options);
    world.calm = true;
    const [atOrigin, atPuller] = await Promise.all([
      world.openRoom(world.media.origin, 'ann'),
      world.openRoom(world.media.puller, 'bob'),
      world.clock.pass(50),
    ]);
    world.publisher = atOrigin;
    expectOpen(atPuller);
    world.calm = false;
    return world;
  }

  get pullerRoom(): FakeRoom {
    const room = this.media.puller.room(ROOM);
    if (room === undefined) throw new Error('the puller has no room');
    return room;
  }

  async publish(source: MediaSource = 'microphone'): Promise<ProducerId> {
    const calm = this.calm;
    this.calm = true;
    const [producerId] = await Promise.all([
      this.publisher.produce({
        transportId: TransportId.parse(this.publisher.sendTransport.id),
        kind: 'audio',
        source,
        rtpParameters: opusParameters(),
        paused: false,
      }),
      this.clock.pass(5),
    ]);
    this.calm = calm;
    return producerId;
  }

  async publishData(label: string): Promise<DataProducerId> {
    const [id] = await Promise.all([
      this.publisher.produceData({
        transportId: TransportId.parse(this.publisher.sendTransport.id),
        label,
        protocol: '',
        sctpStreamParameters: {},
      }),
      this.clock.pass(5),
    ]);
    return id;
  }

  pull(producerId: ProducerId): Pull {
    return this.relays.puller.pull(ROOM, ORIGIN, mediaItem(producerId));
  }

  async openRoom(engine: FakeMediaEngine, session: string): Promise<FakeParticipant> {
    const room = await engine.openRoom(ROOM);
    return await room.openParticipant({ sessionId: SessionId.parse(session), rtpCapabilities: {} });
  }

  /** How the sent messages of one kind read. */
  sent(method: string): number {
    return this.bus.sent.filter((line) => line.endsWith(` ${method}`)).length;
  }
}

function expectOpen(participant: FakeParticipant): void {
  if (participant.closed) throw new Error('the participant is closed');
}

/** What has become of a claim by now. */
export async function outcome(ready: Promise<void>): Promise<string> {
  let state = 'pending';
  ready.then(
    () => {
      state = 'ready';
    },
    (error: unknown) => {
      state = error instanceof Error && 'code' in error ? String(error.code) : 'rejected';
    },
  );
  await settle();
  return state;
}
