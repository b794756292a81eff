import { eventually } from '@meridian/harness';
import type { NodeId, SessionLease } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  handOver,
  join,
  leave,
  leaveFrom,
  listen,
  manual,
  newProducerId,
  nodeA,
  nodeB,
  nodeC,
  nodeRecord,
  person,
  roomId,
  typesOf,
  World,
} from '../../support/world.ts';

/** Who is where, and whose streams there are, as everybody sees it. */
async function seen(cluster: Cluster) {
  const { participants, producers } = await cluster.rooms.snapshot(roomId);
  return {
    participants: participants.map(({ sessionId, nodeId, joinedAtMs }) => ({ sessionId, nodeId, joinedAtMs })),
    producersOn: producers.map(({ nodeId }) => nodeId).sort(),
    nodes: (await cluster.rooms.nodesOf(roomId)).sort(),
  };
}

async function publish(cluster: Cluster, lease: SessionLease): Promise<void> {
  expect(await cluster.rooms.openProducer(roomId, lease.epoch, audio(lease))).toBe(true);
}

const asParticipant = ({ attachedAtMs: _, ...lease }: SessionLease, joinedAtMs: number) => ({
  ...lease,
  joinedAtMs,
  connection: 'connected' as const,
});

export function handoverSuite(backend: () => Backend): void {
  /** A participant that is on its way from node A to node B, with a stream on each; somebody looks on from node C. */
  async function move() {
    const world = new World(backend());
    const cluster = await world.open();
    const heard = listen(await cluster.inbox(nodeC));
    await join(cluster, person(), nodeC);
    const who = person();
    const old = await join(cluster, who, nodeA);
    await publish(cluster, old);
    const [before] = (await seen(cluster)).participants.filter(({ sessionId }) => sessionId === who.sessionId);
    const { lease: current, confirmation } = await handOver(cluster, who, nodeB);
    expect(confirmation.confirmed).toBe(true);
    await publish(cluster, current);
    const mine = async () => {
      const { participants, producersOn, nodes } = await seen(cluster);
      return {
        nodeId: participants.find(({ sessionId }) => sessionId === who.sessionId)?.nodeId,
        producersOn,
        nodes: nodes.filter((node) => node !== nodeC),
      };
    };
    return { world, cluster, heard, who, old, current, mine, joinedAtMs: before?.joinedAtMs ?? 0 };
  }

  describe('a move to another node', () => {
    it('is one participant all the time: nobody hears a join or a leave', async () => {
      const { cluster, heard, who, old, current, mine, joinedAtMs } = await move();
      expect(await mine()).toEqual({ nodeId: nodeB, producersOn: [nodeA, nodeB], nodes: [nodeA, nodeB] });

      expect(await leaveFrom(cluster, old, 'moved')).toBe(true);

      expect(await mine()).toEqual({ nodeId: nodeB, producersOn: [nodeB], nodes: [nodeB] });
      const participant = (await cluster.rooms.snapshot(roomId)).participants.find(
        ({ sessionId }) => sessionId === who.sessionId,
      );
      expect(participant).toMatchObject({ nodeId: nodeB, epoch: current.epoch, joinedAtMs });
      await eventually('the others hear what happened', () => {
        expect(typesOf(heard.events).slice(2)).toEqual([
          'producer-opened',
          'participant-updated',
          'producer-opened',
          'producer-closed',
        ]);
      });
      expect(await leave(cluster, old)).toBe(false);
    });

    it('takes one seat', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await join(cluster, who, nodeA);
      const next = await attach(cluster, who, nodeB);
      expect((await admit(cluster, next, { capacity: 1 })).admitted).toBe(true);
      const { confirmation } = await handOver(cluster, who, nodeB);
      expect(confirmation.confirmed).toBe(true);
      expect(await admit(cluster, await attach(cluster, person()), { capacity: 1 })).toMatchObject({
        reason: 'room-full',
      });
    });

    it('is an ordinary join without an older participant on another node', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const heard = listen(await cluster.inbox(nodeA));
      const who = person();
      await handOver(cluster, who, nodeA);
      await handOver(cluster, who, nodeA);
      await eventually('two joins', () =>
        expect(typesOf(heard.events)).toEqual(['participant-joined', 'participant-joined']),
      );
      expect(await cluster.rooms.nodesOf(roomId)).toEqual([nodeA]);
    });

    it('lets the former node publish and pause until it has left', async () => {
      const { cluster, old, mine } = await move();
      const late = audio(old);
      expect(await cluster.rooms.openProducer(roomId, old.epoch, late)).toBe(true);
      expect(await cluster.rooms.setProducerPaused(roomId, late.producerId, true)).toBe(true);
      await leaveFrom(cluster, old, 'moved');
      expect(await cluster.rooms.openProducer(roomId, old.epoch, audio(old))).toBe(false);
      expect((await mine()).producersOn).toEqual([nodeB]);
    });

    it('keeps `replaces` for a stream of the same session that is there, and drops it otherwise', async () => {
      const { cluster, old, current } = await move();
      const other = await join(cluster, person(), nodeC);
      const [former, foreign] = [audio(old), audio(other)];
      await cluster.rooms.openProducer(roomId, old.epoch, former);
      await cluster.rooms.openProducer(roomId, other.epoch, foreign);
      const opened = await Promise.all(
        [former.producerId, foreign.producerId, newProducerId()].map(async (replaces) => {
          const producer = audio(current, { replaces });
          expect(await cluster.rooms.openProducer(roomId, current.epoch, producer)).toBe(true);
          return producer.producerId;
        }),
      );
      const { producers } = await cluster.rooms.snapshot(roomId);
      expect(opened.map((id) => producers.find(({ producerId }) => producerId === id)?.replaces)).toEqual([
        former.producerId,
        undefined,
        undefined,
      ]);
    });

    it('goes on at the new node when the former one crashes', async () => {
      const { world, cluster, mine } = await crashOf(nodeA);
      await sweep(cluster);
      expect(await mine()).toEqual({ nodeId: nodeB, producersOn: [nodeB], nodes: [nodeB] });
      expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
    });

    it('goes back to the former node when the new one crashes, and can be moved again', async () => {
      const { cluster, who, old, mine } = await crashOf(nodeB);
      await sweep(cluster);
      expect(await mine()).toEqual({ nodeId: nodeA, producersOn: [nodeA], nodes: [nodeA] });
      // The former node knows its own epoch only, and goes on with it.
      await publish(cluster, old);
      const { sessionId } = who;
      expect(
        await cluster.rooms.setConnection({ roomId, sessionId, epoch: old.epoch, connection: 'reconnecting' }),
      ).toBe(true);
      const { confirmation } = await handOver(cluster, who, nodeC);
      expect(confirmation.confirmed).toBe(true);
      expect(await mine()).toMatchObject({ nodeId: nodeC, producersOn: [nodeA, nodeA] });
      expect(await leaveFrom(cluster, old, 'moved')).toBe(true);
      expect(await mine()).toMatchObject({ nodeId: nodeC, producersOn: [] });
    });

    it('ends when both crash', async () => {
      const { cluster, announced, mine } = await crashOf(nodeB);
      await sweep(cluster);
      await announced.kill(nodeA);
      await sweep(cluster);
      expect(await mine()).toEqual({ nodeId: undefined, producersOn: [], nodes: [] });
    });

    it('goes back when the new attachment is lost, and a late word of that one changes nothing', async () => {
      const { cluster, old, current, mine } = await move();
      expect(await leaveFrom(cluster, current, 'transport-failed')).toBe(true);
      expect(await mine()).toEqual({ nodeId: nodeA, producersOn: [nodeA], nodes: [nodeA] });
      expect(await leaveFrom(cluster, current, 'transport-failed')).toBe(false);
      expect(await leave(cluster, current)).toBe(false);
      expect(await mine()).toMatchObject({ nodeId: nodeA });
      expect(await leaveFrom(cluster, old, 'left')).toBe(true);
      expect(await mine()).toEqual({ nodeId: undefined, producersOn: [], nodes: [] });
    });

    it.each(['before it is admitted', 'after it was admitted'])(
      'that is given up does not refuse a page that has attached meanwhile: heard of %s',
      async (when) => {
        const { cluster, who, current, mine } = await move();
        const page = await attach(cluster, who, nodeC);
        const giveUp = () => leaveFrom(cluster, current, 'moved');
        if (when === 'before it is admitted') expect(await giveUp()).toBe(true);
        expect(await admit(cluster, page)).toMatchObject({ admitted: true });
        if (when === 'after it was admitted') expect(await giveUp()).toBe(true);
        expect(await confirm(cluster, page)).toMatchObject({ confirmed: true });
        expect(await mine()).toMatchObject({ nodeId: nodeC, producersOn: [] });
      },
    );

    it('that does not get through leaves the participant where it is', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await join(cluster, who, nodeA);
      const next = await attach(cluster, who, nodeB);
      await admit(cluster, next);
      expect(await leaveFrom(cluster, next, 'transport-failed')).toBe(false);
      expect((await seen(cluster)).participants).toMatchObject([{ nodeId: nodeA }]);
    });

    it('is over altogether when the participant leaves at the new node', async () => {
      const { cluster, current, mine } = await move();
      expect(await leaveFrom(cluster, current, 'left')).toBe(true);
      expect(await mine()).toEqual({ nodeId: undefined, producersOn: [], nodes: [] });
    });

    it('may be followed by another before the first is over', async () => {
      const { cluster, who, old, current, mine } = await move();
      const { lease: third } = await handOver(cluster, who, nodeC);
      await publish(cluster, third);
      expect((await mine()).producersOn).toEqual([nodeA, nodeB, nodeC]);
      expect(await leaveFrom(cluster, current, 'moved')).toBe(true);
      expect((await mine()).producersOn).toEqual([nodeA, nodeC]);
      expect(await leaveFrom(cluster, current, 'moved')).toBe(false);
      expect((await mine()).producersOn).toEqual([nodeA, nodeC]);
      expect(await leaveFrom(cluster, old, 'moved')).toBe(true);
      expect(await mine()).toEqual({ nodeId: nodeC, producersOn: [nodeC], nodes: [] });
    });

    it('back to the node that it comes from ends what was left there', async () => {
      const { cluster, who, old, current, mine } = await move();
      const { lease: third } = await handOver(cluster, who, nodeA);
      await publish(cluster, third);
      expect(await mine()).toEqual({ nodeId: nodeA, producersOn: [nodeA, nodeB], nodes: [nodeA, nodeB] });
      // The late word of the first attachment there does not concern the third.
      expect(await leaveFrom(cluster, old, 'replaced')).toBe(false);
      await leaveFrom(cluster, current, 'moved');
      expect(await mine()).toEqual({ nodeId: nodeA, producersOn: [nodeA], nodes: [nodeA] });
    });

    it('is over altogether when the page is refreshed in the middle of it', async () => {
      const { cluster, who, mine } = await move();
      await join(cluster, who, nodeC);
      expect(await mine()).toEqual({ nodeId: nodeC, producersOn: [], nodes: [] });
    });

    for (const [first, second] of [
      ['the former', 'the new'],
      ['the new', 'the former'],
    ] as const) {
      it(`is put back after Redis lost it, ${first} node before ${second}`, async () => {
        const { world, cluster, old, current, mine, joinedAtMs } = await move();
        const keys = (await world.leftovers()).filter((key) => key.includes(`{r:${roomId}}`));
        for (const key of keys) await world.backend.raw.del(key);
        for (const lease of first === 'the former' ? [old, current] : [current, old]) {
          await cluster.rooms.restore(roomId, lease.nodeId, {
            participants: [asParticipant(lease, joinedAtMs)],
            producers: [audio(lease)],
            dataProducers: [],
          });
        }
        expect(await mine()).toEqual({ nodeId: nodeB, producersOn: [nodeA, nodeB], nodes: [nodeA, nodeB] });
        expect(await leaveFrom(cluster, old, 'moved')).toBe(true);
        expect(await mine()).toEqual({ nodeId: nodeB, producersOn: [nodeB], nodes: [nodeB] });
      });
    }

    it('counts its nodes right after a broken record was dropped', async () => {
      const { world, cluster, who, old, current, mine } = await move();
      const key = world.keys.room(roomId).participants;
      await world.backend.raw.hset(key, 'broken', '{');
      await admit(cluster, await attach(cluster, person(), nodeC));
      expect(await mine()).toMatchObject({ nodes: [nodeA, nodeB] });
      await leaveFrom(cluster, old, 'moved');
      expect(await mine()).toMatchObject({ nodes: [nodeB] });
      const text = await world.backend.raw.hget(key, who.sessionId);
      await world.backend.raw.hset(key, who.sessionId, JSON.stringify({ ...JSON.parse(text ?? ''), halves: 7 }));
      await admit(cluster, await attach(cluster, person(), nodeC));
      expect(await mine()).toMatchObject({ nodeId: undefined, nodes: [] });
      expect(await leaveFrom(cluster, current, 'left')).toBe(false);
    });
  });

  const FOR_EVER = manual(3_600_000);

  /** The same with announced nodes, one of which has died meanwhile. */
  async function crashOf(dead: NodeId) {
    const moving = await moveAnnounced();
    await moving.announced.kill(dead);
    return moving;
  }

  async function moveAnnounced() {
    const world = new World(backend());
    const service = await world.open();
    const clusters = new Map<NodeId, Cluster>();
    for (const nodeId of [nodeA, nodeB, nodeC]) {
      const cluster = await world.open();
      await cluster.announce(nodeRecord(nodeId), FOR_EVER);
      clusters.set(nodeId, cluster);
    }
    const on = (nodeId: NodeId) => clusters.get(nodeId) ?? service;
    await join(on(nodeC), person(), nodeC);
    const who = person();
    const old = await join(on(nodeA), who, nodeA);
    await publish(on(nodeA), old);
    const { lease: current } = await handOver(on(nodeB), who, nodeB);
    await publish(on(nodeB), current);
    const announced = {
      kill: async (nodeId: NodeId) => {
        await world.backend.raw.del(world.keys.nodeEntries + nodeId);
        await world.backend.raw.zadd(world.keys.registry.index, 'XX', 1, nodeId);
      },
    };
    const mine = async () => {
      const { participants, producersOn, nodes } = await seen(service);
      return {
        nodeId: participants.find(({ sessionId }) => sessionId === who.sessionId)?.nodeId,
        producersOn,
        nodes: nodes.filter((node) => node !== nodeC),
      };
    };
    return { world, cluster: service, announced, who, old, current, mine };
  }

  const sweep = (cluster: Cluster) => cluster.sweeper({ everyMs: 0, leaseMs: 3_600_000 }).sweep();
}
