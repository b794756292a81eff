import { eventually } from '@meridian/harness';
import type { NodeId } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/index.ts';
import { registryKeyList } from '../../../src/keys.ts';
import { SCRIPTS } from '../../../src/scripts.ts';
import type { Backend } from '../../support/backend.ts';
import { announceInOwnProcess } from '../../support/other-process.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  join,
  listen,
  manual,
  newRoomId,
  nodeA,
  nodeB,
  nodeRecord,
  person,
  roomId,
  typesOf,
  World,
} from '../../support/world.ts';

const LEASE_MS = 600;

export function sweepSuite(backend: () => Backend): void {
  /** A node that will die (its heartbeats are up to the test), one that lives, and a service that sweeps. */
  async function aDyingNode(leaseMs = LEASE_MS) {
    const world = new World(backend());
    const [dying, living, service] = [await world.open(), await world.open(), await world.open({ maxAgeMs: 0 })];
    const announcement = await dying.announce(nodeRecord(nodeA), manual(leaseMs));
    const sweeper = service.sweeper({ everyMs: 0, leaseMs });
    return { world, dying, living, service, announcement, sweeper };
  }

  const sweptNodes = async (sweep: () => Promise<NodeId[]>, nodeId: NodeId) => {
    const swept: NodeId[] = [];
    await eventually('the dead node is swept', async () => {
      swept.push(...(await sweep()));
      return swept.includes(nodeId);
    });
    return swept;
  };

  const nodesAt = async (cluster: Cluster, room = roomId) =>
    (await cluster.rooms.snapshot(room)).participants.map(({ nodeId }) => nodeId);

  describe('the sweep of a dead node', () => {
    it('removes its participants and what they published, with the reason, and nobody else', async () => {
      const { world, dying, living, sweeper } = await aDyingNode();
      const heard = listen(await living.inbox(nodeB));
      const stays = await join(living, person(), nodeB);
      const goes = await join(dying, person(), nodeA);
      await dying.rooms.openProducer(roomId, goes.epoch, audio(goes));
      const elsewhere = newRoomId();
      await join(dying, person(), nodeA, elsewhere);
      expect(await sweptNodes(() => sweeper.sweep(), nodeA)).toEqual([nodeA]);
      const snapshot = await living.rooms.snapshot(roomId);
      expect(snapshot.participants.map(({ sessionId }) => sessionId)).toEqual([stays.sessionId]);
      expect(snapshot.producers).toEqual([]);
      expect(await living.rooms.nodesOf(elsewhere)).toEqual([]);
      await eventually('the other node hears it', () => {
        expect(heard.events.slice(-2).map(({ event }) => event)).toEqual([
          expect.objectContaining({ type: 'producer-closed', sessionId: goes.sessionId }),
          { type: 'participant-left', sessionId: goes.sessionId, epoch: goes.epoch, reason: 'node-lost' },
        ]);
      });
      expect(await sweeper.sweep()).toEqual([]);
      const left = await world.leftovers();
      expect(left.filter((key) => key.includes('{n:node-a}'))).toEqual([]);
      expect(await world.backend.raw.zscore(world.keys.registry.index, nodeA)).toBeNull();
    });

    it('is done once, however many look for dead nodes', async () => {
      const { world, dying, sweeper } = await aDyingNode();
      await join(dying, person(), nodeA);
      const others = await Promise.all(Array.from({ length: 4 }, () => world.open()));
      const all = [sweeper, ...others.map((cluster) => cluster.sweeper({ everyMs: 0, leaseMs: LEASE_MS }))];
      const swept = await sweptNodes(async () => (await Promise.all(all.map((one) => one.sweep()))).flat(), nodeA);
      expect(swept).toEqual([nodeA]);
    });

    it('leaves alone who has moved to another node', async () => {
      const { dying, living, sweeper } = await aDyingNode();
      const moves = person();
      await join(dying, moves, nodeA);
      const moved = await join(living, moves, nodeB);
      await join(dying, person(), nodeA);
      await sweptNodes(() => sweeper.sweep(), nodeA);
      expect((await living.rooms.snapshot(roomId)).participants).toEqual([
        expect.objectContaining({ sessionId: moved.sessionId, epoch: moved.epoch, nodeId: nodeB }),
      ]);
    });

    it('leaves alone a node that came back in time, and what it has announced anew', async () => {
      const { world, dying, service, announcement, sweeper } = await aDyingNode(60_000);
      const lease = await join(dying, person(), nodeA);
      const producer = audio(lease);
      await dying.rooms.openProducer(roomId, lease.epoch, producer);
      const before = await dying.rooms.snapshot(roomId);
      let restored = 0;
      announcement.on('restored', () => {
        restored += 1;
      });
      await expire(world, nodeA);
      await announcement.update({}, { now: true });
      expect(restored).toBe(1);
      await dying.leases.restore([lease]);
      await dying.rooms.restore(roomId, nodeA, before);
      // As if a sweeper had learnt of the death before the return: the former term is swept now.
      await world.backend.raw.hset(world.keys.registry.fallen, nodeA, await fallenNow(world));
      await sweptNodes(() => sweeper.sweep(), nodeA);
      expect(await service.rooms.snapshot(roomId)).toMatchObject({
        participants: [{ sessionId: lease.sessionId }],
        producers: [producer],
      });
      expect(await service.leases.find(nodeA, lease.sessionId)).toEqual(lease);
      expect((await service.registry.list()).map(({ record }) => record.nodeId)).toEqual([nodeA]);
    });

    it('takes away what a returned node has not announced anew', async () => {
      const { world, dying, service, announcement, sweeper } = await aDyingNode();
      const [ended, goesOn] = [await join(dying, person(), nodeA), await join(dying, person(), nodeA)];
      const before = await dying.rooms.snapshot(roomId);
      await eventually('its entry has expired', async () => {
        expect(await world.backend.raw.exists(world.keys.nodeEntries + nodeA)).toBe(0);
      });
      await announcement.update({}, { now: true });
      // One of its sessions ended while Redis could not be told.
      const participants = before.participants.filter(({ sessionId }) => sessionId !== ended.sessionId);
      await dying.rooms.restore(roomId, nodeA, { participants, producers: [], dataProducers: [] });
      await eventually('the ghost is gone once the node had its time', async () => {
        await announcement.update({}, { now: true });
        await sweeper.sweep();
        const { participants: left } = await service.rooms.snapshot(roomId);
        expect(left.map(({ sessionId }) => sessionId)).toEqual([goesOn.sessionId]);
      });
    });

    it('finds the rooms of a node that was swept, came back and died again', async () => {
      const { world, dying, service, announcement, sweeper } = await aDyingNode(60_000);
      await join(dying, person(), nodeA);
      const own = await dying.rooms.snapshot(roomId);
      await expire(world, nodeA);
      await sweptNodes(() => sweeper.sweep(), nodeA);
      await announcement.update({}, { now: true });
      await dying.rooms.restore(roomId, nodeA, own);
      expect(await nodesAt(service)).toEqual([nodeA]);
      await expire(world, nodeA);
      await sweptNodes(() => sweeper.sweep(), nodeA);
      expect(await nodesAt(service)).toEqual([]);
    });

    it('never takes who joined in the very moment of the return for a ghost', async () => {
      const { world, dying, service, announcement } = await aDyingNode(60_000);
      const { participants } = world.keys.room(roomId);
      for (let i = 0; i < 10; i += 1) {
        const lease = await attach(dying, person(), nodeA, roomId);
        await admit(service, lease);
        await expire(world, nodeA);
        const beating = announcement.update({}, { now: true });
        // The heartbeat is on its way, its answer is not here: the node does not know of its new term.
        for (let turns = 0; turns < 5; turns += 1) await null;
        expect((await confirm(dying, lease)).confirmed).toBe(true);
        await beating;
        const { term } = JSON.parse((await world.backend.raw.hget(world.keys.registry.terms, nodeA)) ?? '{}');
        const stored = JSON.parse((await world.backend.raw.hget(participants, lease.sessionId)) ?? '{}');
        expect(stored.term).toBe(term);
      }
    });

    it('takes away what a former process of a restarted node left', async () => {
      const { world, dying, service, sweeper } = await aDyingNode();
      const ghost = await join(dying, person(), nodeA);
      const restarted = await world.open();
      const announcement = await restarted.announce(nodeRecord(nodeA), manual(60_000));
      const fresh = await join(restarted, person(), nodeA);
      await eventually('the ghost is gone, the node lives', async () => {
        await sweeper.sweep();
        const { participants } = await service.rooms.snapshot(roomId);
        expect(participants.map(({ sessionId }) => sessionId)).toEqual([fresh.sessionId]);
      });
      expect(await service.leases.find(nodeA, ghost.sessionId)).toBeUndefined();
      expect(await service.leases.find(nodeA, fresh.sessionId)).toEqual(fresh);
      expect(announcement.announced).toBe(true);
      expect(await service.registry.list()).toHaveLength(1);
    });

    it('finds a room the node entered without having hinted at it', async () => {
      const { dying, service, sweeper } = await aDyingNode();
      const lease = await attach(dying, person(), nodeA);
      await admit(service, lease);
      expect((await confirm(dying, lease)).confirmed).toBe(true);
      await sweptNodes(() => sweeper.sweep(), nodeA);
      expect(await nodesAt(service)).toEqual([]);
    });

    it('goes on where a sweeper died in the middle of it', async () => {
      const { world, dying, service, sweeper } = await aDyingNode();
      await join(dying, person(), nodeA);
      const { holder } = world.keys.lock(`sweep-${nodeA}`);
      await world.backend.raw.set(holder, 'a sweeper that was killed', 'PX', LEASE_MS + 300);
      await sweptNodes(() => sweeper.sweep(), nodeA);
      expect(await nodesAt(service)).toEqual([]);
    });

    it('holds back after everybody was silent: then it was Redis, not the nodes', async () => {
      const { world, dying, living, announcement, sweeper, service } = await aDyingNode(60_000);
      const lives = await living.announce(nodeRecord(nodeB), manual(60_000));
      const heard = listen(await living.inbox(nodeB));
      const [one, two] = [await join(dying, person(), nodeA), await join(living, person(), nodeB)];
      const before = await service.rooms.snapshot(roomId);
      // Both entries have expired and nobody has said a word for more than half a lease, as after a pause of Redis.
      for (const nodeId of [nodeA, nodeB]) await expire(world, nodeId);
      const { pulse } = world.keys.registry;
      const lastWord = Number(await world.backend.raw.get(pulse)) - 31_000;
      await world.backend.raw.set(pulse, lastWord, 'PX', 60_000);
      await lives.update({}, { now: true });
      expect(await sweeper.sweep()).toEqual([]);
      await announcement.update({}, { now: true });
      expect(await sweeper.sweep()).toEqual([]);
      await dying.rooms.restore(roomId, nodeA, {
        participants: before.participants.filter(({ nodeId }) => nodeId === nodeA),
        producers: [],
        dataProducers: [],
      });
      const { participants } = await service.rooms.snapshot(roomId);
      expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual([one.sessionId, two.sessionId].sort());
      // Nobody was put out and taken in again: the next thing the room hears is a change made now.
      await living.rooms.openProducer(roomId, two.epoch, audio(two));
      await eventually('the change is heard', () => heard.events.length >= 2);
      expect(typesOf(heard.events)).toEqual(['participant-joined', 'producer-opened']);
    });

    it('holds back longer for a node that says a word and cannot be heard yet', async () => {
      const { world, dying, sweeper, service } = await aDyingNode(60_000);
      await join(dying, person(), nodeA);
      const { raw } = world.backend;
      const { amnesty, index } = world.keys.registry;
      const word = async () => {
        const incarnation = 'of its own';
        const args = [
          world.keys.nodeEntries,
          nodeA,
          '{}',
          incarnation,
          '60000',
          world.keys.channels,
          'probe',
          '1',
          '0',
          '0',
        ];
        const keys = registryKeyList(world.keys.registry);
        await raw.eval(SCRIPTS.registry.beat.lua, keys.length, ...keys, ...args);
      };
      await expire(world, nodeA);
      // Redis was away, and is for all others back since long ago.
      await raw.set(amnesty, '1', 'PX', 60_000);
      await word();
      await raw.del(amnesty);
      expect(await sweeper.sweep()).toEqual([]);
      expect(await nodesAt(service)).toEqual([nodeA]);
      // Without an outage, who is never heard is of no use.
      await raw.zadd(index, 'XX', 1, nodeA);
      await word();
      await sweptNodes(() => sweeper.sweep(), nodeA);
    });

    it('leaves alone what a returned node is still putting back', async () => {
      const { world, dying, announcement } = await aDyingNode(60_000);
      await join(dying, person(), nodeA);
      const work = Promise.withResolvers<void>();
      announcement.on('restored', () => announcement.puttingBack(work.promise));
      const { raw } = world.backend;
      const { fallen } = world.keys.registry;
      const beatAndSeeDue = async () => {
        await announcement.update({}, { now: true });
        return Number(JSON.parse((await raw.hget(fallen, nodeA)) ?? '{}').dueAtMs);
      };
      await expire(world, nodeA);
      const first = await beatAndSeeDue();
      // With every heartbeat it is put off, since the room may lie where Redis is not back yet,
      await eventually('it is put off', async () => (await beatAndSeeDue()) > first);
      work.resolve();
      await work.promise;
      // and no more once all is back.
      const last = await beatAndSeeDue();
      for (let beats = 0; beats < 10; beats += 1) expect(await beatAndSeeDue()).toBe(last);
    });

    it('comes with the heartbeats of the living nodes, within two seconds of the expiry', async () => {
      const world = new World(backend());
      const living = await world.open();
      await living.announce(nodeRecord(nodeB), { leaseMs: 5_000, heartbeatMs: 1_000 });
      const killed = await announceInOwnProcess(world, { nodeId: nodeA, rooms: 20, leaseMs: 1_500, heartbeatMs: 300 });
      const [room = roomId] = killed.roomIds;
      expect(await nodesAt(living, room)).toEqual([nodeA]);
      killed.process.kill('SIGKILL');
      const { raw } = world.backend;
      await eventually('its entry has expired', async () => {
        expect(await raw.exists(world.keys.nodeEntries + nodeA)).toBe(0);
      });
      await eventually(
        'nothing is left of it',
        async () => {
          expect(await raw.zscore(world.keys.registry.index, nodeA)).toBeNull();
          for (const swept of killed.roomIds) expect(await living.rooms.nodesOf(swept)).toEqual([]);
        },
        { withinMs: 2_000 },
      );
      const left = await world.leftovers();
      expect(left.filter((key) => key.includes('{n:node-a}') || key.endsWith(':participants'))).toEqual([]);
    });

    it('runs by itself in a process that announces no node', async () => {
      const { dying, service } = await aDyingNode();
      const periodic = service.sweeper({ everyMs: 50, leaseMs: LEASE_MS });
      await join(dying, person(), nodeA);
      await eventually('the dead node is swept', async () => {
        expect(await nodesAt(service)).toEqual([]);
      });
      await periodic.stop();
      await periodic.stop();
    });
  });

  describe('the withdrawal of a node', () => {
    it('takes away what it could not end one by one', async () => {
      const world = new World(backend());
      const [node, service] = [await world.open(), await world.open()];
      const heard = listen(await service.inbox(nodeB));
      await join(service, person(), nodeB);
      const announcement = await node.announce(nodeRecord(nodeA));
      const lease = await join(node, person(), nodeA);
      await announcement.withdraw();
      expect(await nodesAt(service)).toEqual([nodeB]);
      await eventually('the others hear the reason', () => {
        expect(heard.events.at(-1)?.event).toMatchObject({ type: 'participant-left', reason: 'node-shutdown' });
      });
      expect(await service.leases.find(nodeA, lease.sessionId)).toBeUndefined();
    });

    it('leaves rooms out of the index that nobody of the node is in any more', async () => {
      const world = new World(backend());
      const node = await world.open();
      const announcement = await node.announce(nodeRecord(nodeA), manual(60_000));
      const { rooms } = world.keys.node(nodeA);
      const lease = await join(node, person(), nodeA);
      expect(await world.backend.raw.zrange(rooms, '0', '-1')).toEqual([roomId]);
      await node.rooms.leave({ roomId, sessionId: lease.sessionId, epoch: lease.epoch, reason: 'left' });
      await announcement.update({}, { now: true });
      expect(await world.backend.raw.zrange(rooms, '0', '-1')).toEqual([]);
      await join(node, person(), nodeA);
      await announcement.update({}, { now: true });
      expect(await world.backend.raw.zrange(rooms, '0', '-1')).toEqual([roomId]);
    });
  });

  /** What Redis does when a node has sent no heartbeat for its lease time. */
  async function expire(world: World, nodeId: NodeId): Promise<void> {
    await world.backend.raw.del(world.keys.nodeEntries + nodeId);
    await world.backend.raw.zadd(world.keys.registry.index, 'XX', 1, nodeId);
  }

  /** The entry by which a returned node's former term is due to be swept at once. */
  async function fallenNow(world: World): Promise<string> {
    const known = await world.backend.raw.hget(world.keys.registry.terms, nodeA);
    const { term } = JSON.parse(known ?? '{}') as { term: number };
    return JSON.stringify({ term: term - 1, dueAtMs: 0 });
  }
}
