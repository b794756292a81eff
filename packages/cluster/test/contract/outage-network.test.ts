import { eventually } from '@meridian/harness';
import { RoomId } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Backend, startBackend } from '../support/backend.ts';
import { changes, LEASE, unavailable } from '../support/outage.ts';
import { Hop } from '../support/proxy.ts';
import { audio, join, leave, listen, nodeA, nodeB, nodeRecord, person, roomId, World } from '../support/world.ts';

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
