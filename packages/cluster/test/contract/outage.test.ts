import { eventually } from '@meridian/harness';
import { RoomSlug } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import type { Cluster, ClusterStatus } from '../../src/index.ts';
import { changes, LEASE, open, Redis, unavailable } from '../support/outage.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  join,
  listen,
  nodeA,
  nodeB,
  nodeRecord,
  person,
  roomId,
} from '../support/world.ts';

const history = (cluster: Cluster) => {
  const heard: ClusterStatus[] = [];
  cluster.onStatus((status) => heard.push(status));
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
