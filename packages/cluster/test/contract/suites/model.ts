import { eventually } from '@meridian/harness';
import type { NodeId, SessionId, SessionLease } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cluster, NodeAnnouncement } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import { RoomModel, replay, seen } from '../../support/model.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  join,
  leave,
  listen,
  manual,
  nodeA,
  nodeB,
  nodeRecord,
  type Person,
  person,
  roomId,
  World,
} from '../../support/world.ts';

const NODES = [nodeA, nodeB] as const;
const PEOPLE = 3;
/** No lease ends by itself within a test. */
const FOR_EVER = manual(3_600_000);

type Step =
  | { readonly step: 'attach' | 'publish'; readonly who: number; readonly node: 0 | 1 }
  | { readonly step: 'admit' | 'confirm' | 'leave'; readonly who: number; readonly lease: number }
  | { readonly step: 'die' | 'restart' | 'come-back'; readonly node: 0 | 1 }
  | { readonly step: 'sweep' };

const who = fc.integer({ min: 0, max: PEOPLE - 1 });
const node = fc.constantFrom<0 | 1>(0, 1);
/** How many connections ago: 0 is the newest. */
const lease = fc.constantFrom(0, 0, 0, 1, 1, 2);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ step: fc.constant('attach'), who, node }) },
  { weight: 5, arbitrary: fc.record({ step: fc.constant('admit'), who, lease }) },
  { weight: 6, arbitrary: fc.record({ step: fc.constant('confirm'), who, lease }) },
  { weight: 3, arbitrary: fc.record({ step: fc.constant('leave'), who, lease }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('publish'), who, node }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constantFrom('die', 'restart', 'come-back'), node }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('sweep') }) },
);

/** One process of a node: what it holds, as it knows. */
interface NodeProcess {
  readonly cluster: Cluster;
  announcement: NodeAnnouncement;
  readonly holds: Map<SessionId, SessionLease>;
}

class Run {
  readonly model = new RoomModel();
  readonly people: readonly Person[] = Array.from({ length: PEOPLE }, () => person());
  readonly leases = new Map<SessionId, SessionLease[]>();
  readonly world: World;
  readonly service: Cluster;
  readonly nodes: Map<NodeId, NodeProcess>;

  constructor(world: World, service: Cluster, nodes: Map<NodeId, NodeProcess>) {
    this.world = world;
    this.service = service;
    this.nodes = nodes;
  }

  process(nodeId: NodeId): NodeProcess {
    const process = this.nodes.get(nodeId);
    if (process === undefined) throw new Error(`no node ${nodeId}`);
    return process;
  }

  #lease(index: number, ago: number): SessionLease | undefined {
    const { sessionId } = this.people[index] ?? person();
    return this.leases.get(sessionId)?.at(-1 - ago);
  }

  async take(step: Step): Promise<void> {
    const { model } = this;
    switch (step.step) {
      case 'attach': {
        const nodeId = NODES[step.node];
        const who = this.people[step.who] ?? person();
        if (model.dead.has(nodeId)) return;
        const lease = await attach(this.process(nodeId).cluster, who, nodeId);
        this.leases.set(who.sessionId, [...(this.leases.get(who.sessionId) ?? []), lease]);
        return;
      }
      case 'admit': {
        const lease = this.#lease(step.who, step.lease);
        if (lease === undefined) return;
        const answer = await admit(this.service, lease);
        const expected = model.admit(lease.sessionId, lease.epoch, lease.nodeId);
        expect(answer.admitted ? 'admitted' : answer.reason).toBe(expected);
        return;
      }
      case 'confirm': {
        const lease = this.#lease(step.who, step.lease);
        if (lease === undefined || model.dead.has(lease.nodeId)) return;
        const { cluster, holds } = this.process(lease.nodeId);
        const answer = await confirm(cluster, lease);
        const expected = model.confirm(lease.sessionId, lease.epoch, lease.nodeId);
        expect(answer.confirmed ? 'confirmed' : answer.reason).toBe(expected);
        if (answer.confirmed) holds.set(lease.sessionId, lease);
        return;
      }
      case 'leave': {
        const lease = this.#lease(step.who, step.lease);
        if (lease === undefined) return;
        const { cluster, holds } = this.process(lease.nodeId);
        expect(await leave(cluster, lease)).toBe(model.leave(lease.sessionId, lease.epoch));
        if ((holds.get(lease.sessionId)?.epoch ?? Number.POSITIVE_INFINITY) <= lease.epoch)
          holds.delete(lease.sessionId);
        return;
      }
      case 'publish': {
        const nodeId = NODES[step.node];
        const { cluster, holds } = this.process(nodeId);
        const own = holds.get(this.people[step.who]?.sessionId ?? person().sessionId);
        if (own === undefined || model.dead.has(nodeId)) return;
        const held = model.participants.get(own.sessionId);
        const expected = held !== undefined && held.epoch <= own.epoch && held.nodeId === nodeId;
        expect(await cluster.rooms.openProducer(roomId, own.epoch, audio(own))).toBe(expected);
        return;
      }
      case 'die':
        return this.#die(NODES[step.node]);
      case 'restart':
        return this.#restart(NODES[step.node]);
      case 'come-back':
        return this.#comeBack(NODES[step.node]);
      case 'sweep':
        await this.service.sweeper({ everyMs: 0, leaseMs: 3_600_000 }).sweep();
        model.sweep();
        return;
    }
  }

  /** The entry expires: nothing else is known of a death. */
  async #die(nodeId: NodeId): Promise<void> {
    if (this.model.dead.has(nodeId)) return;
    const { raw } = this.world.backend;
    await raw.del(this.world.keys.nodeEntries + nodeId);
    await raw.zadd(this.world.keys.registry.index, 'XX', 1, nodeId);
    this.model.die(nodeId);
  }

  async #restart(nodeId: NodeId): Promise<void> {
    const process = this.process(nodeId);
    process.holds.clear();
    const former = process.announcement;
    process.announcement = await process.cluster.announce(nodeRecord(nodeId), FOR_EVER);
    await former.withdraw();
    this.model.restart(nodeId);
    // An announcement sweeps by itself, meanwhile: what the former process left, and whoever else is dead.
    this.model.sweep();
    await eventually('what is dead is swept', () => this.check());
    // A new process knows nobody's connection to the former one.
    for (const [sessionId, leases] of this.leases) {
      this.leases.set(
        sessionId,
        leases.filter((lease) => lease.nodeId !== nodeId),
      );
    }
  }

  async #comeBack(nodeId: NodeId): Promise<void> {
    if (!this.model.dead.has(nodeId)) return;
    const { announcement, cluster, holds } = this.process(nodeId);
    await announcement.update({}, { now: true });
    const participants = [...holds.values()].map(({ attachedAtMs, ...lease }) => ({
      ...lease,
      joinedAtMs: attachedAtMs,
      connection: 'connected' as const,
    }));
    await cluster.rooms.restore(roomId, nodeId, { participants, producers: [], dataProducers: [] });
    this.model.comeBack(nodeId, new Map([...holds.values()].map(({ sessionId, epoch }) => [sessionId, epoch])));
    // The heartbeat that brought it back has also found whoever else is dead.
    this.model.sweepDead();
    await eventually('who is dead is swept', () => this.check());
  }

  async check(): Promise<void> {
    const snapshot = await this.service.rooms.snapshot(roomId);
    const found = snapshot.participants.map(({ sessionId, epoch, nodeId }) => [sessionId, Number(epoch), nodeId]);
    const expected = [...this.model.participants].map(([sessionId, { epoch, nodeId }]) => [sessionId, epoch, nodeId]);
    expect(found.sort()).toEqual(expected.sort());
    const nodes = new Set([...this.model.participants.values()].map(({ nodeId }) => nodeId));
    expect((await this.service.rooms.nodesOf(roomId)).sort()).toEqual([...nodes].sort());
  }
}

export function modelSuite(backend: () => Backend): void {
  const runs = () => (backend().kind === 'single' ? 60 : 20);

  async function start(world: World): Promise<{ run: Run; heard: ReturnType<typeof listen>[] }> {
    const nodes = new Map<NodeId, NodeProcess>();
    const heard = [];
    for (const nodeId of NODES) {
      const cluster = await world.open();
      heard.push(listen(await cluster.inbox(nodeId)));
      nodes.set(nodeId, {
        cluster,
        announcement: await cluster.announce(nodeRecord(nodeId), FOR_EVER),
        holds: new Map(),
      });
    }
    return { run: new Run(world, await world.open({ placeMs: 3_600_000 }), nodes), heard };
  }

  describe('a room under any order of joins, refreshes, late leaves, deaths and sweeps', () => {
    it('is what the model says after every step, and nothing is left of it in the end', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 45 }), async (steps) => {
          const world = new World(backend());
          try {
            const { run, heard } = await start(world);
            for (const one of steps) {
              await run.take(one);
              await run.check();
            }
            const snapshot = await run.service.rooms.snapshot(roomId);
            await eventually('the events of both nodes together tell the same', () => {
              const events = heard.flatMap((inbox) => inbox.events);
              expect(replay(events)).toEqual(seen(snapshot));
            });
            expect(heard.flatMap(({ gaps }) => gaps)).toEqual([]);
            for (const nodeId of NODES) {
              if (run.model.dead.has(nodeId)) await run.take({ step: 'restart', node: NODES.indexOf(nodeId) as 0 | 1 });
            }
            for (const { announcement } of run.nodes.values()) await announcement.withdraw();
            await run.service.sweeper({ everyMs: 0 }).sweep();
            for (const key of await world.leftovers()) {
              // What is left says when it goes: burnt tokens, unconfirmed places, fences of locks, signs of life.
              expect(key).toMatch(/:(jti:.*|places|fence|pulse|inbox)$/);
              expect(await world.backend.raw.pttl(key)).toBeGreaterThan(0);
            }
          } finally {
            await world.close();
          }
        }),
        { numRuns: runs(), endOnFailure: false },
      );
    }, 300_000);

    it('never loses or doubles anybody in a storm of page refreshes over two nodes', async () => {
      const refresh = fc.record({ who, node, leaveFirst: fc.boolean(), stays: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(refresh, { minLength: 5, maxLength: 25 }), async (storm) => {
          const world = new World(backend());
          try {
            const clusters = [await world.open(), await world.open()] as const;
            const people = Array.from({ length: PEOPLE }, () => person());
            const current = new Map<number, SessionLease>();
            const late: Promise<unknown>[] = [];
            // Each person’s refreshes follow each other; the leaves of the former connections come whenever they come.
            const browsers = people.map(async (somebody, index) => {
              for (const { node: to, leaveFirst, stays } of storm.filter((one) => one.who === index)) {
                const former = current.get(index);
                const leaving = former && (() => leave(clusters[0], former));
                if (leaveFirst && leaving) late.push(leaving());
                const lease = await join(clusters[to], somebody, NODES[to]);
                current.set(index, lease);
                if (!leaveFirst && leaving) late.push(leaving());
                if (!stays) {
                  await leave(clusters[to], lease);
                  current.delete(index);
                }
              }
            });
            await Promise.all(browsers);
            await Promise.all(late);
            const { participants } = await clusters[0].rooms.snapshot(roomId);
            const expected = [...current.values()].map(({ sessionId, epoch, nodeId }) => [sessionId, epoch, nodeId]);
            expect(participants.map(({ sessionId, epoch, nodeId }) => [sessionId, epoch, nodeId]).sort()).toEqual(
              expected.sort(),
            );
          } finally {
            await world.close();
          }
        }),
        { numRuns: runs() },
      );
    }, 300_000);
  });
}
