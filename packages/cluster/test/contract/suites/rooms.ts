import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import { CommandCounter } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  dataProducer,
  join,
  leave,
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

export function roomSuite(backend: () => Backend): void {
  describe('leaving', () => {
    it('ignores a late leave of an older epoch', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await join(cluster, who);
      const second = await join(cluster, who);
      expect(await leave(cluster, first)).toBe(false);
      expect((await cluster.rooms.snapshot(roomId)).participants.map(({ epoch }) => epoch)).toEqual([second.epoch]);
      expect(await leave(cluster, second)).toBe(true);
      expect(await leave(cluster, second)).toBe(false);
    });

    it('ignores a late leave while the newer epoch only holds a place', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await join(cluster, who);
      const second = await attach(cluster, who);
      await admit(cluster, second);
      expect(await leave(cluster, first)).toBe(true);
      expect((await confirm(cluster, second)).confirmed).toBe(true);
    });

    it('takes an unconfirmed place back with it', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lease = await attach(cluster, person());
      await admit(cluster, lease, { capacity: 1 });
      expect(await leave(cluster, lease)).toBe(false);
      expect((await admit(cluster, await attach(cluster, person()), { capacity: 1 })).admitted).toBe(true);
      expect(await confirm(cluster, lease)).toEqual({ confirmed: false, reason: 'place-expired' });
    });

    it('closes what the participant published and leaves nothing of an empty room', async () => {
      const world = new World(backend());
      const cluster = await world.open({ placeMs: 40 });
      const heard = listen(await cluster.inbox(nodeB));
      const [first, second] = [await join(cluster), await join(cluster, person(), nodeB)];
      await cluster.rooms.openProducer(roomId, first.epoch, audio(first));
      await cluster.rooms.openDataProducer(roomId, first.epoch, dataProducer(first));
      await leave(cluster, first);
      await eventually('the other node hears all of it in order', () => {
        expect(typesOf(heard.events).slice(-3)).toEqual([
          'producer-closed',
          'data-producer-closed',
          'participant-left',
        ]);
      });
      await leave(cluster, second);
      expect(await cluster.rooms.snapshot(roomId)).toEqual({
        roomId,
        revision: 0,
        participants: [],
        producers: [],
        dataProducers: [],
      });
      await eventually('only burnt tokens are left of the room, and they expire', async () => {
        const left = (await world.leftovers()).filter((key) => key.includes(`{r:${roomId}}`));
        expect(left.every((key) => key.includes(':jti:'))).toBe(true);
        for (const key of left) expect(await world.backend.raw.pttl(key)).toBeGreaterThan(0);
      });
    });
  });

  describe('changes', () => {
    it('raise the revision by one each and say what changed', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const heard = listen(await cluster.inbox(nodeA));
      const lease = await join(cluster);
      const producer = audio(lease);
      expect(await cluster.rooms.openProducer(roomId, lease.epoch, producer)).toBe(true);
      expect(await cluster.rooms.openProducer(roomId, lease.epoch, producer)).toBe(true);
      expect(await cluster.rooms.setProducerPaused(roomId, producer.producerId, true)).toBe(true);
      expect(await cluster.rooms.setProducerPaused(roomId, producer.producerId, true)).toBe(true);
      const { sessionId, epoch } = lease;
      expect(await cluster.rooms.setConnection({ roomId, sessionId, epoch, connection: 'reconnecting' })).toBe(true);
      expect(await cluster.rooms.closeProducer(roomId, producer.producerId)).toBe(true);
      expect(await cluster.rooms.closeProducer(roomId, producer.producerId)).toBe(false);
      expect(await cluster.rooms.setProducerPaused(roomId, producer.producerId, false)).toBe(false);
      await eventually('all changes are heard, each once', () => {
        expect(typesOf(heard.events)).toEqual([
          'participant-joined',
          'producer-opened',
          'producer-updated',
          'participant-updated',
          'producer-closed',
        ]);
      });
      const revisions = heard.events.map(({ revision }) => revision);
      expect(revisions).toEqual(revisions.map((_, i) => (revisions[0] ?? 0) + i));
      expect((await cluster.rooms.snapshot(roomId)).revision).toBe(revisions.at(-1));
      expect(heard.gaps).toEqual([]);
    });

    it('are refused once the participant is gone or a newer epoch holds its place', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await join(cluster, who);
      const second = await join(cluster, who, nodeB);
      const { sessionId } = who;
      expect(await cluster.rooms.openProducer(roomId, first.epoch, audio(first))).toBe(false);
      expect(
        await cluster.rooms.setConnection({ roomId, sessionId, epoch: first.epoch, connection: 'reconnecting' }),
      ).toBe(false);
      await leave(cluster, second);
      expect(await cluster.rooms.openProducer(roomId, second.epoch, audio(second))).toBe(false);
      expect(
        await cluster.rooms.setConnection({ roomId, sessionId, epoch: second.epoch, connection: 'connected' }),
      ).toBe(false);
      expect((await cluster.rooms.snapshot(roomId)).revision).toBe(0);
    });

    it('of a resumed connection raise the epoch and leave the media alone', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await join(cluster, who);
      const producer = audio(first);
      await cluster.rooms.openProducer(roomId, first.epoch, producer);
      const second = await attach(cluster, who);
      const { sessionId } = who;
      expect(
        await cluster.rooms.setConnection({ roomId, sessionId, epoch: second.epoch, connection: 'connected' }),
      ).toBe(true);
      expect(await leave(cluster, first)).toBe(false);
      expect(await cluster.rooms.snapshot(roomId)).toMatchObject({
        participants: [{ epoch: second.epoch }],
        producers: [producer],
      });
    });
  });

  describe('the end of a room', () => {
    it('removes everybody, tells every node, and admits nobody until it is reopened', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const heard = [listen(await cluster.inbox(nodeA)), listen(await cluster.inbox(nodeB))];
      const [first, second] = [await join(cluster), await join(cluster, person(), nodeB)];
      await cluster.rooms.openProducer(roomId, first.epoch, audio(first));
      const waiting = await attach(cluster, person());
      await admit(cluster, waiting);
      await cluster.rooms.end(roomId);
      for (const { events } of heard) {
        await eventually('each node hears the end last', () => {
          expect(typesOf(events).slice(-4)).toEqual([
            'producer-closed',
            'participant-left',
            'participant-left',
            'room-ended',
          ]);
        });
      }
      expect(await confirm(cluster, waiting)).toEqual({ confirmed: false, reason: 'room-ended' });
      expect(await admit(cluster, second)).toEqual({ admitted: false, reason: 'room-ended' });
      expect(await cluster.rooms.nodesOf(roomId)).toEqual([]);
      expect(await cluster.rooms.listActive()).toEqual([]);
      await cluster.rooms.reopen(roomId);
      expect(await confirm(cluster, waiting)).toEqual({ confirmed: false, reason: 'place-expired' });
      expect((await admit(cluster, second)).admitted).toBe(true);
    });
  });

  describe('looking', () => {
    it('lists the rooms that have participants, for operators', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const rooms = [newRoomId(), newRoomId(), newRoomId()].sort();
      for (const room of rooms) await join(cluster, person(), nodeA, room);
      const [one = roomId, two = roomId, three = roomId] = rooms;
      await join(cluster, person(), nodeB, two);
      const gone = await join(cluster, person(), nodeA, newRoomId());
      await cluster.rooms.end(roomId);
      expect(await leave(cluster, gone, roomId)).toBe(false);
      const found = await cluster.rooms.listActive();
      expect(found.filter(({ roomId: id }) => rooms.includes(id))).toEqual([
        { roomId: one, participants: 1, nodes: [nodeA] },
        { roomId: two, participants: 2, nodes: expect.arrayContaining([nodeA, nodeB]) },
        { roomId: three, participants: 1, nodes: [nodeA] },
      ]);
    });

    it('reports a broken record, leaves it out and does not stumble over it', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lease = await join(cluster);
      const { participants, producers } = world.keys.room(roomId);
      await world.backend.raw.hset(participants, 'broken-1', '{"sessionId":');
      await world.backend.raw.hset(participants, 'broken-2', '{"sessionId":"broken-2"}');
      await world.backend.raw.hset(producers, 'broken-3', '[]');
      const snapshot = await cluster.rooms.snapshot(roomId);
      expect(snapshot.participants.map(({ sessionId }) => sessionId)).toEqual([lease.sessionId]);
      expect(snapshot.producers).toEqual([]);
      expect(world.log.filter(({ level, message }) => level === 'warn' && /skipped/.test(message))).toHaveLength(3);
      const second = await join(cluster, person(), nodeB);
      await leave(cluster, lease);
      await leave(cluster, second);
      await admit(cluster, await attach(cluster, person()));
      expect(await world.backend.raw.exists(participants)).toBe(0);
    });

    it('costs a join six commands, whoever else is in the room', async () => {
      const world = new World(backend());
      const counter = new CommandCounter();
      const service = await world.open({ observe: counter });
      const node = await world.open({ observe: counter });
      const announcement = await node.announce(nodeRecord(nodeA), manual(60_000));
      const joinOnce = async () => {
        counter.reset();
        const who = person();
        await service.rooms.nodesOf(roomId);
        await service.registry.reserve(nodeA, who.sessionId);
        const lease = await attach(node, who, nodeA, roomId);
        expect(await service.leases.find(nodeA, who.sessionId)).toEqual(lease);
        await admit(service, lease);
        await confirm(node, lease);
        return counter.total;
      };
      await joinOnce(); // the scripts are loaded once
      for (let others = 0; others < 12; others += 1) expect(await joinOnce()).toBe(6);
      await announcement.withdraw();
    });
  });

  describe('restoring', () => {
    it('puts back what Redis lost, once, and gives way to newer epochs', async () => {
      const world = new World(backend());
      const [a, b] = [await world.open(), await world.open()];
      const heard = listen(await b.inbox(nodeB));
      const stays = await join(a, person());
      const moves = person();
      const moved = await join(a, moves);
      const producer = audio(stays, { paused: true });
      await a.rooms.openProducer(roomId, stays.epoch, producer);
      const before = await a.rooms.snapshot(roomId);
      await world.backend.raw.del(...Object.values(world.keys.room(roomId)));
      const newer = await join(b, moves, nodeB);
      const own = { participants: before.participants, producers: before.producers, dataProducers: [] };
      const after = await a.rooms.restore(roomId, nodeA, own);
      expect(after.revision).toBeGreaterThan(before.revision);
      expect(after.participants.map(({ sessionId, epoch, nodeId }) => ({ sessionId, epoch, nodeId }))).toEqual(
        expect.arrayContaining([
          { sessionId: stays.sessionId, epoch: stays.epoch, nodeId: nodeA },
          { sessionId: moved.sessionId, epoch: newer.epoch, nodeId: nodeB },
        ]),
      );
      expect(after.participants).toHaveLength(2);
      expect(after.producers).toEqual([producer]);
      expect(await a.rooms.restore(roomId, nodeA, own)).toEqual(after);
      await eventually('the other node hears of those who came back', () => {
        expect(typesOf(heard.events)).toEqual(['participant-joined', 'participant-joined', 'producer-opened']);
      });
    });

    it('puts nobody back into a room that was ended meanwhile', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      await join(cluster);
      const { participants } = await cluster.rooms.snapshot(roomId);
      await cluster.rooms.end(roomId);
      const after = await cluster.rooms.restore(roomId, nodeA, { participants, producers: [], dataProducers: [] });
      expect(after.participants).toEqual([]);
    });
  });
}
