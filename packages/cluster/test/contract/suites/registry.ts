import { eventually } from '@meridian/harness';
import { NodeId } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import {
  attach,
  join,
  manual,
  newSessionId,
  nodeA,
  nodeB,
  nodeRecord,
  person,
  roomId,
  World,
} from '../../support/world.ts';

export function registrySuite(backend: () => Backend): void {
  describe('the registry', () => {
    it('shows a node from its announcement to its withdrawal', async () => {
      const world = new World(backend());
      const [node, service] = [await world.open(), await world.open({ maxAgeMs: 20 })];
      const record = nodeRecord(nodeA);
      const announcement = await node.announce(record);
      expect(announcement.announced).toBe(true);
      expect(await service.registry.list()).toEqual([{ record, reserved: 0 }]);
      await announcement.withdraw();
      await announcement.withdraw();
      await eventually('the node is gone', async () => {
        expect(await service.registry.list()).toEqual([]);
      });
      const left = await world.leftovers();
      expect(left.filter((key) => !key.endsWith(':pulse'))).toEqual([]);
    });

    it('shows what a heartbeat says, and an urgent change at once', async () => {
      const world = new World(backend());
      const [node, service] = [await world.open(), await world.open({ maxAgeMs: 0 })];
      const announcement = await node.announce(nodeRecord(nodeA), { heartbeatMs: 30 });
      const load = { ...announcement.record.load, sessions: 17 };
      await announcement.update({ load });
      await eventually('the next heartbeat tells the load', async () => {
        expect((await service.registry.list())[0]?.record.load).toEqual(load);
      });
      await announcement.update({ state: 'draining' }, { now: true });
      expect((await service.registry.list())[0]?.record.state).toBe('draining');
    });

    it('drops a node whose heartbeats stop, by the clock of Redis alone', async () => {
      const world = new World(backend());
      const [node, service] = [await world.open(), await world.open({ maxAgeMs: 0 })];
      const lost: unknown[] = [];
      const announcement = await node.announce(nodeRecord(nodeA), manual(300));
      announcement.on('lost', (cause) => lost.push(cause));
      await eventually('its entry expires', async () => {
        expect(await service.registry.list()).toEqual([]);
      });
      await eventually('it knows that it has dropped out', () => {
        expect(lost).toHaveLength(1);
        expect(announcement.announced).toBe(false);
      });
      await expect(attach(node, person())).rejects.toMatchObject({ code: 'cluster-unavailable' });
    });

    it('tells a node that its entry vanished and stands again', async () => {
      const world = new World(backend());
      const node = await world.open();
      const announcement = await node.announce(nodeRecord(nodeA), { heartbeatMs: 30 });
      let restored = 0;
      announcement.on('restored', () => {
        restored += 1;
      });
      await world.backend.raw.del(world.keys.nodeEntries + nodeA);
      await eventually('the entry stands again', async () => {
        expect(restored).toBe(1);
        expect(await world.backend.raw.exists(world.keys.nodeEntries + nodeA)).toBe(1);
      });
      expect(announcement.announced).toBe(true);
    });

    it('gives the id to a new process of the node and shuts the former one out', async () => {
      const world = new World(backend());
      const [former, next] = [await world.open(), await world.open({ maxAgeMs: 0 })];
      const old = await former.announce(nodeRecord(nodeA), { heartbeatMs: 30 });
      const record = nodeRecord(nodeA);
      const announcement = await next.announce(record, { heartbeatMs: 30 });
      await eventually('the former process has noticed', () => !old.announced);
      expect((await next.registry.list()).map((view) => view.record.incarnation)).toEqual([record.incarnation]);
      await old.withdraw();
      expect(await next.registry.list()).toHaveLength(1);
      expect(announcement.announced).toBe(true);
    });

    it.each([
      ['names another process', { term: 1_900_000_000_000, incarnation: 'somebody else' }],
      ['is behind what the node knows', (real: { incarnation: string }) => ({ ...real, term: 5 })],
      ['is far in the future', (real: { incarnation: string }) => ({ ...real, term: 1e300 })],
    ])('makes a note of the term anew that %s under the own entry', async (_, garbage) => {
      const world = new World(backend());
      const { raw } = world.backend;
      const { terms } = world.keys.registry;
      const node = await world.open();
      const announcement = await node.announce(nodeRecord(nodeA), { heartbeatMs: 30 });
      const lost: unknown[] = [];
      announcement.on('lost', (cause) => lost.push(cause));
      const restored = new Promise<void>((resolve) => announcement.on('restored', resolve));
      const before = JSON.parse((await raw.hget(terms, nodeA)) ?? '{}');
      const broken = typeof garbage === 'function' ? garbage(before) : garbage;
      await raw.hset(terms, nodeA, JSON.stringify(broken));
      await restored;
      const { incarnation, term } = JSON.parse((await raw.hget(terms, nodeA)) ?? '{}');
      expect(incarnation).toBe(before.incarnation);
      expect(term).toBeGreaterThan(before.term);
      expect(term).toBeLessThan(Date.now() + 60_000);
      expect(await raw.hlen(world.keys.registry.fallen)).toBe(0);
      expect(lost).toEqual([]);
    });

    it.each([
      ['cannot be read', 'garbage'],
      ['names a third process', JSON.stringify(nodeRecord(nodeA))],
    ])(
      'lets a node be that whose note of the term and whose entry are both damaged: the entry %s',
      async (_, entry) => {
        const world = new World(backend());
        const { raw } = world.backend;
        const { terms } = world.keys.registry;
        const node = await world.open();
        const announcement = await node.announce(nodeRecord(nodeA), { heartbeatMs: 50 });
        const lost: unknown[] = [];
        announcement.on('lost', (cause) => lost.push(cause));
        const restored = new Promise<void>((resolve) => announcement.on('restored', resolve));
        const before = JSON.parse((await raw.hget(terms, nodeA)) ?? '{}');
        await raw
          .multi()
          .set(world.keys.nodeEntries + nodeA, entry, 'KEEPTTL')
          .hset(terms, nodeA, JSON.stringify({ ...before, incarnation: 'somebody else' }))
          .exec();
        await restored;
        expect(JSON.parse((await raw.hget(terms, nodeA)) ?? '{}').incarnation).toBe(before.incarnation);
        expect(lost).toEqual([]);
      },
    );

    it('sweeps what a former process has left whose note of its term is damaged', async () => {
      const world = new World(backend());
      const { raw } = world.backend;
      const former = await world.open();
      await former.announce(nodeRecord(nodeA), manual(60_000));
      await join(former, person(), nodeA);
      await raw.hset(world.keys.registry.terms, nodeA, 'garbage');
      const next = await world.open();
      await next.announce(nodeRecord(nodeA), { heartbeatMs: 30 });
      await eventually('nobody is left in the room', async () => {
        return (await next.rooms.snapshot(roomId)).participants.length === 0;
      });
    });

    it('leaves a broken entry out and reports it', async () => {
      const world = new World(backend());
      const cluster = await world.open({ maxAgeMs: 0 });
      await cluster.announce(nodeRecord(nodeA));
      await cluster.announce(nodeRecord(nodeB));
      await world.backend.raw.set(world.keys.nodeEntries + nodeB, '{"nodeId":"node-b"}', 'PX', 60_000);
      expect((await cluster.registry.list()).map(({ record }) => record.nodeId)).toEqual([nodeA]);
      expect(world.log.some(({ message }) => /skipped/.test(message))).toBe(true);
    });

    it('tells an observer of no failure when a server has to be shown a script first', async () => {
      const world = new World(backend());
      const outcomes: boolean[] = [];
      const cluster = await world.open({
        observe: {
          command: (name, _ms, ok) => {
            if (name === 'registry.list') outcomes.push(ok);
          },
        },
      });
      await world.backend.raw.script('FLUSH');
      await cluster.announce(nodeRecord(nodeA), manual(60_000));
      expect(await cluster.registry.list()).toHaveLength(1);
      expect(outcomes.length).toBeGreaterThan(0);
      expect(outcomes).not.toContain(false);
    });

    it('is served from a view: asking a hundred times costs hardly a command', async () => {
      const world = new World(backend());
      let reads = 0;
      const cluster = await world.open({
        observe: {
          command: (name) => {
            if (name === 'registry.list') reads += 1;
          },
        },
      });
      await cluster.announce(nodeRecord(nodeA), manual(60_000));
      for (let i = 0; i < 100; i += 1) expect(await cluster.registry.list()).toHaveLength(1);
      // Once for a server that has not seen the script, once to read, and what the background needs meanwhile.
      expect(reads).toBeLessThan(6);
      await cluster.announce(nodeRecord(nodeB), manual(60_000));
      await eventually('the background keeps it fresh', async () => {
        expect(await cluster.registry.list()).toHaveLength(2);
      });
    });
  });

  describe('reservations', () => {
    it('count at once where they are made, and soon everywhere', async () => {
      const world = new World(backend());
      const [one, two] = [await world.open(), await world.open({ maxAgeMs: 20 })];
      await one.announce(nodeRecord(nodeA), manual(60_000));
      await one.registry.list();
      const making = Array.from({ length: 5 }, () => one.registry.reserve(nodeA, newSessionId()));
      // Not awaited yet: the view counts what is on its way.
      expect((await one.registry.list())[0]?.reserved).toBe(5);
      await Promise.all(making);
      expect((await one.registry.list())[0]?.reserved).toBe(5);
      await eventually('the other service sees them', async () => {
        expect((await two.registry.list())[0]?.reserved).toBe(5);
      });
      await two.registry.reserve(nodeA, newSessionId());
      expect((await two.registry.list())[0]?.reserved).toBe(6);
    });

    it('of one session count once, on the node that was chosen last', async () => {
      const world = new World(backend());
      const cluster = await world.open({ maxAgeMs: 0 });
      await cluster.announce(nodeRecord(nodeA), manual(60_000));
      await cluster.announce(nodeRecord(nodeB), manual(60_000));
      const sessionId = newSessionId();
      for (const nodeId of [nodeA, nodeA, nodeB]) await cluster.registry.reserve(nodeId, sessionId);
      const views = await cluster.registry.list();
      expect(Object.fromEntries(views.map(({ record, reserved }) => [record.nodeId, reserved]))).toEqual({
        [nodeA]: 0,
        [nodeB]: 1,
      });
    });

    it('end with the heartbeat after the session has attached', async () => {
      const world = new World(backend());
      const [service, node] = [await world.open({ maxAgeMs: 0 }), await world.open()];
      const announcement = await node.announce(nodeRecord(nodeA), manual(60_000));
      const [comes, stays] = [person(), person()];
      await service.registry.reserve(nodeA, comes.sessionId);
      await service.registry.reserve(nodeA, stays.sessionId);
      await attach(node, comes);
      await announcement.update({}, { now: true });
      expect((await service.registry.list())[0]?.reserved).toBe(1);
    });

    it('expire when the session never comes', async () => {
      const world = new World(backend());
      const cluster = await world.open({ maxAgeMs: 0, reservationMs: 50 });
      await cluster.announce(nodeRecord(nodeA), manual(60_000));
      await cluster.registry.reserve(nodeA, newSessionId());
      await eventually('the reservation is gone', async () => {
        expect((await cluster.registry.list())[0]?.reserved).toBe(0);
      });
      const left = (await world.leftovers()).filter((key) => key.includes('reserved'));
      expect(left).toEqual([]);
    });

    it('for a node nobody knows do no harm', async () => {
      const world = new World(backend());
      const cluster = await world.open({ maxAgeMs: 0 });
      await cluster.registry.reserve(NodeId.parse('nowhere'), newSessionId());
      expect(await cluster.registry.list()).toEqual([]);
    });
  });
}
