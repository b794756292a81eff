import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import { changes, LEASE, open, Redis, unavailable } from '../support/outage.ts';
import { attach, join, listen, nodeA, nodeB, nodeRecord, person, roomId } from '../support/world.ts';

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
    await redis.freeze();
    const frozenAt = performance.now();
    await eventually('the lease is over', () => !announcement.announced);
    // The node counts from when it asked, Redis from when it answered: there the entry ends a moment later.
    const longestMs = LEASE.leaseMs + LEASE.heartbeatMs;
    await eventually('it is over in Redis too', () => performance.now() - frozenAt > longestMs);
    redis.signal('SIGCONT');
    await eventually('it stands again', () => announcement.announced);
    await eventually('what it held before is swept', () => swept.length > 0);
    expect(told).toEqual(['lost', 'restored']);
    const { participants } = await cluster.rooms.snapshot(roomId);
    expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual([lease.sessionId, witness.sessionId].sort());
    expect(heard.events.map(({ event }) => event.type)).not.toContain('participant-left');
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
