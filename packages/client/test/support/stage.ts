import { SessionId } from '@meridian/protocol';
import {
  type JoinOptions,
  join,
  type KeyValueStore,
  memoryStore,
  type Room,
  type RoomEvents,
} from '../../src/index.ts';
import { FakeCluster, ROOM_URL } from './fake-cluster.ts';
import { FakeRuntime, settle } from './fake-runtime.ts';

const EVENTS = [
  'participant-joined',
  'participant-left',
  'producer-opened',
  'producer-closed',
  'producer-replaced',
  'reconnecting',
  'reconnected',
  'resumed',
  'moved',
  'ended',
  'trouble',
  'chat',
  'data',
  'track-added',
  'track-replaced',
  'track-removed',
] as const;

/** One client in front of one cluster. */
export class Stage {
  readonly runtime = new FakeRuntime();
  readonly cluster = new FakeCluster();
  readonly store: KeyValueStore = memoryStore();
  readonly heard: { event: keyof RoomEvents; value: unknown }[] = [];

  constructor() {
    this.cluster.serve(this.runtime);
  }

  options(more: JoinOptions = {}): JoinOptions {
    return { name: 'Anna', runtime: this.runtime, store: this.store, ...more };
  }

  /** Joins and listens to everything. */
  async join(more: JoinOptions = {}): Promise<Room> {
    const joining = join(ROOM_URL, this.options(more));
    joining.catch(() => {});
    await this.runtime.advance(0);
    const room = await joining;
    const events = EVENTS;
    for (const event of events) room.on(event, (value) => this.heard.push({ event, value }));
    await settle();
    return room;
  }

  theirId(name: string): SessionId {
    return SessionId.parse(name);
  }

  valuesOf(event: keyof RoomEvents): unknown[] {
    return this.heard.filter((one) => one.event === event).map(({ value }) => value);
  }
}
