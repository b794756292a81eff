import {
  type EndReason,
  Epoch,
  type NodeId,
  type Participant,
  type ProducerInfo,
  type SessionLease,
} from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/index.ts';
import { roomKeyList } from '../../../src/keys.ts';
import { SCRIPTS } from '../../../src/scripts.ts';
import type { Backend } from '../../support/backend.ts';
import { type Held, SessionModel } from '../../support/handover-model.ts';
import {
  admit,
  attach,
  audio,
  leaveFrom,
  newTokenId,
  nodeA,
  nodeB,
  nodeC,
  type Person,
  person,
  roomId,
  World,
} from '../../support/world.ts';

const NODES = [nodeA, nodeB, nodeC] as const;
const PEOPLE = 2;

type Step =
  | { readonly step: 'join'; readonly who: number; readonly node: number; readonly handover: boolean }
  | { readonly step: 'leave'; readonly who: number; readonly ago: number; readonly reason: EndReason }
  | { readonly step: 'publish'; readonly who: number; readonly ago: number; readonly replaces: boolean }
  | { readonly step: 'crash'; readonly node: number }
  | { readonly step: 'lose'; readonly order: readonly number[] };

/** Mostly the same one, so that a few steps make a story. */
const who = fc.constantFrom(0, 0, 0, 0, 1);
const node = fc.integer({ min: 0, max: NODES.length - 1 });
/** How many attachments ago: 0 is the newest. */
const ago = fc.constantFrom(0, 0, 0, 0, 1, 1, 2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ step: fc.constant('join'), who, node, handover: fc.constantFrom(true, true, false) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      step: fc.constant('leave'),
      who,
      ago,
      reason: fc.constantFrom<EndReason>('left', 'moved', 'moved', 'transport-failed'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ step: fc.constant('publish'), who, ago, replaces: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('crash'), node }) },
  {
    weight: 1,
    arbitrary: fc.record({ step: fc.constant('lose'), order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }) }),
  },
);

class Run {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #people: readonly { readonly person: Person; readonly model: SessionModel; leases: SessionLease[] }[];
  readonly #infos = new Map<string, ProducerInfo>();

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
    this.#people = Array.from({ length: PEOPLE }, () => ({ person: person(), model: new SessionModel(), leases: [] }));
  }

  #of(index: number) {
    const found = this.#people[index];
    if (found === undefined) throw new Error(`nobody at ${index}`);
    return found;
  }

  async take(step: Step): Promise<void> {
    switch (step.step) {
      case 'join': {
        const { person: somebody, model, leases } = this.#of(step.who);
        const lease = await attach(this.#cluster, somebody, NODES[step.node]);
        const { sessionId, epoch, nodeId } = lease;
        expect((await admit(this.#cluster, lease)).admitted).toBe(true);
        const tokenId = newTokenId();
        const { handover } = step;
        const answer = await this.#cluster.rooms.confirm({
          ...{ roomId, sessionId, epoch, nodeId, tokenId, tokenTtlMs: 60_000, handover },
        });
        expect(answer.confirmed ? 'confirmed' : answer.reason).toBe(model.join(held(lease), handover));
        leases.push(lease);
        return;
      }
      case 'leave': {
        const { model, leases } = this.#of(step.who);
        const lease = leases.at(-1 - step.ago);
        if (lease === undefined) return;
        const left = await leaveFrom(this.#cluster, lease, step.reason);
        const expected = model.leave(held(lease), step.reason);
        expect(left).toBe(expected !== 'nothing');
        if (expected === 'handed-back') await this.#learnEpoch(step.who);
        return;
      }
      case 'publish': {
        const { model, leases } = this.#of(step.who);
        const lease = leases.at(-1 - step.ago);
        if (lease === undefined) return;
        const [replaced] = [...model.producers.keys()];
        const replaces = step.replaces ? this.#infos.get(replaced ?? '')?.producerId : undefined;
        const producer = audio(lease, replaces === undefined ? {} : { replaces });
        this.#infos.set(producer.producerId, producer);
        const opened = await this.#cluster.rooms.openProducer(roomId, lease.epoch, producer);
        expect(opened).toBe(model.publish(producer.producerId, held(lease)));
        return;
      }
      case 'crash':
        return this.#crash(NODES[step.node] ?? nodeA);
      case 'lose':
        return this.#lose(step.order.map((index) => NODES[index] ?? nodeA));
    }
  }

  /** What a sweep does in the room of a node that died. */
  async #crash(nodeId: NodeId): Promise<void> {
    const { keys, backend } = this.#world;
    await backend.raw.eval(
      SCRIPTS.rooms.purge.lua,
      7,
      ...roomKeyList(keys.room(roomId)),
      ...[roomId, keys.channels, nodeId, '0', 'node-lost'],
    );
    for (const [index, { model }] of this.#people.entries()) {
      if (model.crash(nodeId) === 'handed-back') await this.#learnEpoch(index);
    }
  }

  /** Redis comes back without the room, and each node puts back what it holds. */
  async #lose(order: readonly NodeId[]): Promise<void> {
    const before = await this.#cluster.rooms.snapshot(roomId);
    for (const key of roomKeyList(this.#world.keys.room(roomId))) await this.#world.backend.raw.del(key);
    for (const nodeId of order) {
      const participants: Participant[] = [];
      const producers: ProducerInfo[] = [];
      for (const { person: somebody, model } of this.#people) {
        const mine = [model.current, ...model.halves].find((one) => one?.nodeId === nodeId);
        const shown = before.participants.find(({ sessionId }) => sessionId === somebody.sessionId);
        if (mine === undefined || shown === undefined) continue;
        participants.push({ ...shown, nodeId, epoch: Epoch.parse(mine.epoch) });
        for (const [id, of] of model.producers) {
          const info = this.#infos.get(id);
          if (of.nodeId === nodeId && info !== undefined) producers.push(info);
        }
      }
      if (participants.length > 0) {
        await this.#cluster.rooms.restore(roomId, nodeId, { participants, producers, dataProducers: [] });
      }
    }
    for (const { model } of this.#people) model.restored();
  }

  /** It rises with a hand-back, to what the clock of Redis says. */
  async #learnEpoch(index: number): Promise<void> {
    const { person: somebody, model } = this.#of(index);
    const { participants } = await this.#cluster.rooms.snapshot(roomId);
    const epoch = participants.find(({ sessionId }) => sessionId === somebody.sessionId)?.epoch ?? 0;
    expect(epoch).toBeGreaterThan(model.seen);
    model.seen = epoch;
  }

  async check(): Promise<void> {
    const snapshot = await this.#cluster.rooms.snapshot(roomId);
    const seen = snapshot.participants.map(({ sessionId, nodeId, epoch }) => [sessionId, nodeId, Number(epoch)]);
    const expected = this.#people.flatMap(({ person: { sessionId }, model }) =>
      model.current === undefined ? [] : [[sessionId, model.current.nodeId, model.seen]],
    );
    expect(seen.sort()).toEqual(expected.sort());
    const producers = this.#people.flatMap(({ model }) => [...model.producers.keys()]);
    expect(snapshot.producers.map(({ producerId }) => String(producerId)).sort()).toEqual(producers.sort());
    // Every node in the room is there as often as it takes part, so that none is forgotten and none stays for ever.
    const counts: Record<string, string> = {};
    for (const { model } of this.#people) {
      for (const at of model.current === undefined ? [] : [model.current, ...model.halves]) {
        counts[at.nodeId] = String(Number(counts[at.nodeId] ?? 0) + 1);
      }
    }
    expect(await this.#world.backend.raw.hgetall(this.#world.keys.room(roomId).nodes)).toEqual(counts);
  }

  async end(): Promise<void> {
    for (const { leases, model } of this.#people) {
      for (const lease of leases.toReversed()) {
        await leaveFrom(this.#cluster, lease, 'left');
        model.leave(held(lease), 'left');
      }
    }
    await this.check();
    const left = (await this.#world.leftovers()).filter((key) => key.includes(`{r:${roomId}}`));
    for (const key of left) expect(key).toMatch(/:(jti:.*|places)$/);
  }
}

const held = ({ nodeId, epoch }: SessionLease): Held => ({ nodeId, epoch });

export function handoverModelSuite(backend: () => Backend): void {
  const runs = () => (backend().kind === 'single' ? 200 : 40);

  describe('moves in any order, with crashes, late words and a Redis that forgets', () => {
    it('leave everybody once where the model says, with the streams that it says', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
          const world = new World(backend());
          try {
            const run = new Run(world, await world.open());
            for (const one of steps) {
              await run.take(one);
              await run.check();
            }
            await run.end();
          } finally {
            await world.close();
          }
        }),
        { numRuns: runs(), endOnFailure: false },
      );
    }, 300_000);
  });
}
