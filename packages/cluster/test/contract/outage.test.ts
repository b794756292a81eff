import { eventually, type RedisProcess, startRedis, type WriteRefusal } from '@meridian/harness';
import { RoomId, RoomSlug } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AnnounceOptions, Cluster, ClusterStatus, NodeAnnouncement } from '../../src/index.ts';
import { openCluster } from '../../src/index.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { Hop } from '../support/proxy.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  join,
  leave,
  listen,
  nodeA,
  nodeB,
  nodeRecord,
  person,
  roomId,
  World,
} from '../support/world.ts';

const LEASE: AnnounceOptions = { leaseMs: 1_500, heartbeatMs: 100 };
const unavailable = { code: 'cluster-unavailable', retryable: true, retryAfterMs: expect.any(Number) };

/** A Redis of this test alone, which the test may stop, freeze and start again. */
class Redis {
  #process: RedisProcess;

  private constructor(process: RedisProcess) {
    this.#process = process;
    onTestFinished(() => this.#process.stop());
  }

  static async start(): Promise<Redis> {
    return new Redis(await startRedis());
  }

  get url(): string {
    return this.#process.url;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  refuseWrites(how: WriteRefusal): Promise<() => Promise<void>> {
    return this.#process.refuseWrites(how);
  }

  load(): Promise<() => Promise<void>> {
    return this.#process.load();
  }

  /** Comes back on the same port with nothing in it. */
  async startEmpty(): Promise<void> {
    this.#process = await startRedis({ port: this.#process.port });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.process.kill(signal);
  }
}

async function open(url: string, options: Partial<Parameters<typeof openCluster>[0]> = {}): Promise<Cluster> {
  const cluster = await openCluster({ url, keyPrefix: 'outage', commandTimeoutMs: 300, ...options });
  onTestFinished(() => cluster.close());
  return cluster;
}

const history = (cluster: Cluster) => {
  const heard: ClusterStatus[] = [];
  cluster.onStatus((status) => heard.push(status));
  return heard;
};

const changes = (announcement: NodeAnnouncement) => {
  const heard: string[] = [];
  announcement.on('lost', () => heard.push('lost'));
  announcement.on('restored', () => heard.push('restored'));
  return heard;
};

describe('while Redis is away', () => {
  it('a command fails fast with a code that says so, and works again as soon as Redis is back', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    const statuses = history(cluster);
    const lease = await attach(cluster, person());
    await redis.stop();
    await expect(cluster.leases.find(nodeA, lease.sessionId)).rejects.toMatchObject(unavailable);
    await eventually('the status says it', () => cluster.status === 'down');
    await Promise.all([
      expect(cluster.registry.list()).rejects.toMatchObject(unavailable),
      expect(admit(cluster, lease)).rejects.toMatchObject(unavailable),
      expect(cluster.rooms.nodesOf(roomId)).rejects.toMatchObject(unavailable),
      expect(cluster.locks.withLock('x', { ttlMs: 1_000 }, async () => 1)).rejects.toMatchObject(unavailable),
      expect(cluster.chat.append(cluster.chat.draft({ ...person(), roomId, text: 'hi' }))).rejects.toMatchObject(
        unavailable,
      ),
      expect(cluster.announce(nodeRecord(nodeA))).rejects.toMatchObject(unavailable),
    ]);
    await redis.startEmpty();
    await eventually('commands work again, the scripts too', async () => {
      expect((await admit(cluster, lease)).admitted).toBe(true);
      expect((await confirm(cluster, lease)).confirmed).toBe(true);
    });
    expect(statuses).toEqual(['down', 'up']);
  });

  it('nothing that was asked meanwhile happens later', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    await redis.stop();
    const attempts = Array.from({ length: 20 }, () =>
      cluster.chat.append(cluster.chat.draft({ ...person(), roomId, text: 'lost' })),
    );
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    await redis.startEmpty();
    await eventually('commands work again', () => cluster.rooms.nodesOf(roomId).then(() => true));
    const kept: string[] = [];
    const controller = new AbortController();
    await cluster.chat.append(cluster.chat.draft({ ...person(), roomId, text: 'kept' }));
    await cluster.chat.drain(
      async (messages) => {
        kept.push(...messages.map(({ text }) => text));
        controller.abort();
      },
      { consumer: 'test', signal: controller.signal },
    );
    expect(kept).toEqual(['kept']);
  });

  it('a process that starts is told within its time', async () => {
    const redis = await Redis.start();
    await redis.stop();
    await expect(open(redis.url, { connectTimeoutMs: 100 })).rejects.toMatchObject({ code: 'cluster-unavailable' });
  });

  it('the drain of chat lines goes on by itself afterwards', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    const kept: string[] = [];
    const controller = new AbortController();
    const draining = cluster.chat.drain(
      async (messages) => {
        kept.push(...messages.map(({ text }) => text));
      },
      { consumer: 'test', signal: controller.signal },
    );
    await cluster.chat.append(cluster.chat.draft({ ...person(), roomId, text: 'before' }));
    await eventually('the first line is kept', () => kept.length === 1);
    await redis.stop();
    await redis.startEmpty();
    await eventually('a line after the outage is kept too', async () => {
      if (kept.length === 1) await cluster.chat.append(cluster.chat.draft({ ...person(), roomId, text: 'after' }));
      return kept.includes('after');
    });
    controller.abort();
    await draining;
  });
});

describe('when Redis goes on after it stood still', () => {
  it('it carries out heartbeats whose answers nobody hears, and their node still puts all back for good', async () => {
    const redis = await Redis.start();
    const swept: unknown[] = [];
    const ignore = () => {};
    const logger = {
      debug: ignore,
      warn: ignore,
      error: ignore,
      info: (_: object, message: string) => void (message === 'a dead node was swept' && swept.push(message)),
    };
    const cluster = await open(redis.url, { logger });
    const announcement = await cluster.announce(nodeRecord(nodeA), LEASE);
    const told = changes(announcement);
    const lease = await join(cluster, person(), nodeA);
    const own = await cluster.rooms.snapshot(roomId);
    const heard = listen(await cluster.inbox(nodeB));
    const witness = await join(cluster, person(), nodeB);
    announcement.on('restored', () =>
      announcement.puttingBack(cluster.rooms.restore(roomId, nodeA, own).catch(() => {})),
    );
    // The heartbeat that is sent now lies in the connection until Redis goes on, long after its sender gave it up.
    redis.signal('SIGSTOP');
    await eventually('the lease is over', () => !announcement.announced);
    redis.signal('SIGCONT');
    await eventually('it stands again', () => announcement.announced);
    await eventually('what it held before is swept', () => swept.length > 0);
    expect(told).toEqual(['lost', 'restored']);
    const { participants } = await cluster.rooms.snapshot(roomId);
    expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual([lease.sessionId, witness.sessionId].sort());
    expect(heard.events.map(({ event }) => event.type)).not.toContain('participant-left');
  });
});

describe('when Redis comes back empty', () => {
  it('nodes announce themselves, their sessions and rooms anew, and nobody is lost or doubled', async () => {
    const redis = await Redis.start();
    const [a, b, service] = [await open(redis.url), await open(redis.url), await open(redis.url)];
    const nodes = [
      { nodeId: nodeA, cluster: a, announcement: await a.announce(nodeRecord(nodeA), LEASE) },
      { nodeId: nodeB, cluster: b, announcement: await b.announce(nodeRecord(nodeB), LEASE) },
    ];
    const heard = listen(await b.inbox(nodeB));
    const leases = [await join(a, person(), nodeA), await join(b, person(), nodeB)];
    const [first] = leases;
    if (first === undefined) throw new Error('nobody joined');
    const producer = audio(first);
    await a.rooms.openProducer(roomId, first.epoch, producer);
    const before = await service.rooms.snapshot(roomId);
    // What a node does: at each `restored` it puts back what it holds.
    for (const { nodeId, cluster, announcement } of nodes) {
      announcement.on('restored', () => {
        void cluster.leases.restore(leases.filter((lease) => lease.nodeId === nodeId));
        void cluster.rooms.restore(roomId, nodeId, {
          participants: before.participants.filter((one) => one.nodeId === nodeId),
          producers: before.producers.filter((one) => one.nodeId === nodeId),
          dataProducers: [],
        });
      });
    }
    const told = nodes.map(({ announcement }) => changes(announcement));
    await redis.stop();
    await redis.startEmpty();
    await eventually('both are back with all they held', async () => {
      const { participants, producers } = await service.rooms.snapshot(roomId);
      expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual(
        leases.map(({ sessionId }) => sessionId).sort(),
      );
      expect(producers).toEqual([producer]);
      for (const lease of leases) expect(await service.leases.find(lease.nodeId, lease.sessionId)).toEqual(lease);
      expect(await service.registry.list()).toHaveLength(2);
    });
    for (const events of told) expect(events.at(-1)).toBe('restored');
    expect(heard.gaps).toContain(undefined);
    // Revisions have not gone back: nobody takes the new state for an older one.
    expect((await service.rooms.snapshot(roomId)).revision).toBeGreaterThan(before.revision);
    const count = heard.events.length;
    expect(await a.rooms.setProducerPaused(roomId, producer.producerId, true)).toBe(true);
    await eventually('events flow again', () => heard.events.length > count);
    expect(heard.events.at(-1)?.event).toEqual({
      type: 'producer-updated',
      producerId: producer.producerId,
      paused: true,
    });
  });

  it('names of rooms are written again, though they were written lately', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    const slug = RoomSlug.parse('stand-up');
    await cluster.names.set(roomId, slug);
    await redis.stop();
    await eventually('the outage is noticed', () => cluster.status === 'down');
    await redis.startEmpty();
    await eventually('Redis is back', () => cluster.status === 'up');
    expect(await cluster.names.find(slug)).toBeUndefined();
    await cluster.names.set(roomId, slug);
    expect(await cluster.names.find(slug)).toBe(roomId);
  });

  it('an old room token is of no use: its place is gone', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    const lease = await attach(cluster, person());
    await admit(cluster, lease);
    await redis.stop();
    await redis.startEmpty();
    await eventually('it is refused', async () => {
      expect(await confirm(cluster, lease)).toEqual({ confirmed: false, reason: 'place-expired' });
    });
  });
});

describe('when Redis stands still', () => {
  it('nodes drop out by themselves, and all of them return before anybody is swept', async () => {
    const redis = await Redis.start();
    const [a, b, service] = [await open(redis.url), await open(redis.url), await open(redis.url)];
    const announcements = [await a.announce(nodeRecord(nodeA), LEASE), await b.announce(nodeRecord(nodeB), LEASE)];
    service.sweeper({ everyMs: 50, leaseMs: 1_500 });
    const told = announcements.map(changes);
    const leases = [await join(a, person(), nodeA), await join(b, person(), nodeB)];
    const before = await service.rooms.snapshot(roomId);
    const heard = listen(await service.inbox(nodeB));
    for (const [i, announcement] of announcements.entries()) {
      const [cluster, nodeId] = i === 0 ? [a, nodeA] : [b, nodeB];
      announcement.on('restored', () => {
        void cluster.rooms.restore(roomId, nodeId, {
          participants: before.participants.filter((one) => one.nodeId === nodeId),
          producers: [],
          dataProducers: [],
        });
      });
    }
    redis.signal('SIGSTOP');
    await expect(service.rooms.nodesOf(roomId)).rejects.toMatchObject(unavailable);
    await eventually('both nodes know that they are out', () => announcements.every(({ announced }) => !announced));
    await expect(attach(a, person(), nodeA)).rejects.toMatchObject(unavailable);
    redis.signal('SIGCONT');
    await eventually('both nodes are back', () => announcements.every(({ announced }) => announced));
    for (const events of told) expect(events).toEqual(['lost', 'restored']);
    await eventually('everybody is still in the room', async () => {
      const { participants } = await service.rooms.snapshot(roomId);
      expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual(
        leases.map(({ sessionId }) => sessionId).sort(),
      );
      // Also once the grace after the return is over.
      expect(await service.registry.list()).toHaveLength(2);
    });
    expect(heard.events.filter(({ event }) => event.type === 'participant-left')).toEqual([]);
  });

  it('a held lock is lost, and its holder hears so', async () => {
    const redis = await Redis.start();
    const cluster = await open(redis.url);
    const result = await cluster.locks.withLock('frozen', { ttlMs: 400 }, async ({ signal }) => {
      redis.signal('SIGSTOP');
      await eventually('the loss is told', () => signal.aborted);
      redis.signal('SIGCONT');
      return 'too late';
    });
    expect(result).toEqual({ outcome: 'lost' });
  });
});

describe('when Redis answers and does not serve', () => {
  const refusals = [
    ['is out of memory', (redis: Redis) => redis.refuseWrites('oom')],
    ['cannot save its data', (redis: Redis) => redis.refuseWrites('misconf')],
    ['is a replica', (redis: Redis) => redis.refuseWrites('readonly')],
    ['reads its data from disk', (redis: Redis) => redis.load()],
  ] as const;

  it.each(refusals)('since it %s, nodes drop out and their subscriptions stand all the while', async (_why, strike) => {
    const redis = await Redis.start();
    let missed = 0;
    const debug = (_fields: object, text: string) => {
      if (text === 'a heartbeat did not get through') missed += 1;
    };
    const logger = { debug, info() {}, warn() {}, error() {} };
    const [a, b] = [await open(redis.url, { logger }), await open(redis.url, { logger })];
    const announcements = [await a.announce(nodeRecord(nodeA), LEASE), await b.announce(nodeRecord(nodeB), LEASE)];
    const heard = [listen(await a.inbox(nodeA)), listen(await b.inbox(nodeB))];
    const told = announcements.map(changes);
    const undo = await strike(redis);
    await eventually('both nodes know that they are out', () => announcements.every(({ announced }) => !announced));
    // In which time they would have made their subscriptions anew.
    const known = missed;
    await eventually('both go on asking for a whole lease', () => missed - known >= 30);
    await undo();
    await eventually('both nodes are back', () => announcements.every(({ announced }) => announced));
    for (const events of told) expect(events).toEqual(['lost', 'restored']);
    for (const { gaps } of heard) expect(gaps).toEqual([]);
  });

  it('whoever connects while it reads its data is served as soon as it has done so', async () => {
    const redis = await Redis.start();
    const finish = await redis.load();
    // What Redis thinks that it will take is minutes at that time.
    let waits = false;
    const warn = () => {
      waits = true;
    };
    const logger = { debug() {}, info() {}, warn, error() {} };
    const opening = open(redis.url, { connectTimeoutMs: 20_000, logger });
    await eventually('the start says that it waits', () => waits);
    await finish();
    const doneAt = performance.now();
    const cluster = await opening;
    await cluster.inbox(nodeA);
    expect(performance.now() - doneAt).toBeLessThan(5_000);
  });
});

describe('behind a broken network', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await startBackend('single');
  });
  afterAll(() => backend?.stop());

  async function behindAHop() {
    const world = new World(backend);
    const hop = await Hop.open(backend.processes[0]?.port ?? 0);
    const node = await world.open({ url: hop.url, commandTimeoutMs: 300 });
    onTestFinished(() => hop.close());
    return { world, hop, node, service: await world.open({ maxAgeMs: 0 }) };
  }

  it('a node that loses its connection drops out, is swept, and returns with its people', async () => {
    const { hop, node, service } = await behindAHop();
    const announcement = await node.announce(nodeRecord(nodeA), LEASE);
    const told = changes(announcement);
    service.sweeper({ everyMs: 50, leaseMs: 1_500 });
    const lease = await join(node, person(), nodeA);
    const { participants } = await node.rooms.snapshot(roomId);
    announcement.on('restored', () => {
      void node.rooms.restore(roomId, nodeA, { participants, producers: [], dataProducers: [] });
    });
    hop.cut();
    await eventually('it is gone for the others', async () => {
      expect(await service.registry.list()).toEqual([]);
      expect(await service.rooms.nodesOf(roomId)).toEqual([]);
    });
    expect(announcement.announced).toBe(false);
    hop.mend();
    await eventually('it is back with its people', async () => {
      expect(await service.registry.list()).toHaveLength(1);
      const { participants: now } = await service.rooms.snapshot(roomId);
      expect(now.map(({ sessionId }) => sessionId)).toEqual([lease.sessionId]);
    });
    expect(told).toEqual(['lost', 'restored']);
    expect(await leave(node, lease)).toBe(true);
  });

  it('a node that nobody can reach over pub/sub drops out though its commands get through', async () => {
    const { hop, node, service } = await behindAHop();
    const announcement = await node.announce(nodeRecord(nodeA), LEASE);
    const told = changes(announcement);
    const heard = listen(await node.inbox(nodeA));
    hop.loseMessages(true);
    await eventually('it has dropped out', async () => {
      expect(announcement.announced).toBe(false);
      expect(await service.registry.list()).toEqual([]);
    });
    expect((await node.rooms.nodesOf(RoomId.parse('any'))).length).toBe(0);
    hop.loseMessages(false);
    await eventually('it is back', async () => {
      expect(announcement.announced).toBe(true);
      expect(await service.registry.list()).toHaveLength(1);
    });
    expect(told).toEqual(['lost', 'restored']);
    expect(heard.gaps).toContain(undefined);
  });

  it('events that were missed are told as one gap of all rooms', async () => {
    const { hop, node, service } = await behindAHop();
    const heard = listen(await node.inbox(nodeA));
    const lease = await join(node, person(), nodeA);
    await eventually('the own join is heard', () => heard.events.length === 1);
    hop.cut();
    const producer = audio(lease);
    await service.rooms.openProducer(roomId, lease.epoch, producer);
    hop.mend();
    await eventually('the gap is told', () => heard.gaps.length > 0);
    await service.rooms.setProducerPaused(roomId, producer.producerId, true);
    await eventually('later events come', () => heard.events.length === 2);
    expect(heard.events[1]?.event.type).toBe('producer-updated');
    expect(heard.gaps).toEqual([undefined]);
  });

  it('a request fails at once instead of waiting for its deadline', async () => {
    const { hop, node, service } = await behindAHop();
    const inbox = await node.inbox(nodeA);
    await service.inbox(nodeB);
    hop.cut();
    await expect(inbox.request(nodeB, 'ping', {}, { ttlMs: 10_000 })).rejects.toMatchObject(unavailable);
  });
});
