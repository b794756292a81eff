import type { ProducerId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Pull } from '../../src/relay/wants.ts';
import type { Fate } from '../support/fake-bus.ts';
import { settle } from '../support/fake-clock.ts';
import { RelayWorld, ROOM } from '../support/relay-world.ts';

const SOURCES = ['microphone', 'camera', 'screen'] as const;

type Action =
  | { readonly kind: 'pull' | 'release' | 'pause' | 'resume' | 'close'; readonly which: number }
  | { readonly kind: 'kill-puller-half' | 'kill-origin-half' }
  | { readonly kind: 'wait'; readonly ms: number };

const which = fc.integer({ min: 0, max: SOURCES.length - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pull' as const), which }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('kill-puller-half' as const, 'kill-origin-half' as const) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 400 })),
    }),
  },
);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('arrives' as const) },
  { weight: 1, arbitrary: fc.constantFrom('request-lost' as const, 'reply-lost' as const, 'redis-down' as const) },
);

async function outcomeOf(ready: Promise<void>): Promise<'ready' | 'refused' | 'pending'> {
  const pending = settle().then(() => 'pending' as const);
  return await Promise.race([
    ready.then(
      () => 'ready' as const,
      () => 'refused' as const,
    ),
    pending,
  ]);
}

/** Takes the values one after the other, and begins again at the end. */
function cycle<T>(values: readonly T[], otherwise: T): () => T {
  let next = 0;
  return () => values[next++ % values.length] ?? otherwise;
}

async function play(options: { actions: Action[]; delays: number[]; fates: Fate[]; failures: boolean[] }) {
  const world = await RelayWorld.start({
    delayMs: cycle(options.delays, 1),
    fate: cycle(options.fates, 'arrives'),
    fails: cycle(options.failures, false),
    graceMs: 10,
  });
  const producers: ProducerId[] = [];
  for (const source of SOURCES) producers.push(await world.publish(source));
  const closed = new Set<ProducerId>();
  const pulls = new Map<ProducerId, Pull[]>(producers.map((id) => [id, []]));
  const idOf = (index: number): ProducerId => {
    const id = producers[index];
    if (id === undefined) throw new Error('no such producer');
    return id;
  };
  for (const one of options.actions) {
    switch (one.kind) {
      case 'pull': {
        const id = idOf(one.which);
        // Whoever subscribes looks into the room's state first.
        if (closed.has(id)) break;
        pulls.get(id)?.push(world.pull(id));
        break;
      }
      case 'release':
        pulls.get(idOf(one.which))?.shift()?.release();
        break;
      case 'pause':
      case 'resume': {
        const id = idOf(one.which);
        if (closed.has(id)) break;
        const now = one.kind === 'pause';
        void (now ? world.publisher.pauseProducer(id) : world.publisher.resumeProducer(id)).catch(() => {});
        break;
      }
      case 'close': {
        const id = idOf(one.which);
        if (closed.has(id)) break;
        closed.add(id);
        world.publisher.closeProducer(id);
        break;
      }
      case 'kill-puller-half':
        world.media.puller.relayEnds[0]?.close();
        break;
      case 'kill-origin-half':
        world.media.origin.relayEnds[0]?.close();
        break;
      case 'wait':
        await world.clock.pass(one.ms);
        break;
    }
  }
  return { world, producers, closed, pulls };
}

describe('relays under every order of events', () => {
  test('end up with exactly what is wanted on both halves, or with nothing at all', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          actions: fc.array(action, { maxLength: 30 }),
          delays: fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 40 }),
          fates: fc.array(fate, { minLength: 1, maxLength: 20 }),
          failures: fc.array(fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)), {
            minLength: 1,
            maxLength: 20,
          }),
        }),
        async (options) => {
          // Given a disturbed time, in which messages come late or not at all and halves die
          const { world, producers, closed, pulls } = await play(options);

          // When it is over, and the room's events have brought what notices may have lost
          world.calm = true;
          await world.clock.pass(200);
          const atOrigin = world.media.origin.room(ROOM);
          for (const id of producers) {
            if (closed.has(id)) world.relays.puller.producerClosed(ROOM, id);
            else world.relays.puller.producerPaused(ROOM, id, atOrigin?.producer(id)?.paused ?? false);
          }
          await world.clock.pass(60_000);

          // Then the puller can consume what is claimed and open, in the state it has at its origin, and nothing else
          const wanted = producers.filter((id) => !closed.has(id) && (pulls.get(id)?.length ?? 0) > 0).sort();
          expect(producers.filter((id) => world.pullerRoom.hasProducer(id)).sort()).toEqual(wanted);
          const ends = { origin: world.media.origin.relayEnds, puller: world.media.puller.relayEnds };
          expect(ends.origin.length).toBe(wanted.length > 0 ? 1 : 0);
          expect(ends.puller.length).toBe(ends.origin.length);
          const [origin, puller] = [ends.origin[0], ends.puller[0]];
          if (origin === undefined || puller === undefined) return;
          expect(puller.linkId).toBe(origin.linkId);
          expect([...origin.producerIds].sort()).toEqual(wanted);
          expect([...puller.producerIds].sort()).toEqual(wanted);
          expect(puller.connectedTo).toEqual(origin.endpoint);
          expect(origin.connectedTo).toEqual(puller.endpoint);
          for (const id of wanted) expect(puller.pausedOf(id)).toBe(atOrigin?.producer(id)?.paused);
          // A claim made before the stream was refused (lost answers look like that) is void; a new one is served.
          for (const id of wanted) {
            const again = world.pull(id);
            pulls.get(id)?.push(again);
            await world.clock.pass(10);
            expect(await outcomeOf(again.ready)).toBe('ready');
          }

          // And when everybody lets go, nothing is left
          for (const claims of pulls.values()) for (const pull of claims) pull.release();
          await world.clock.pass(60_000);
          expect([...world.media.origin.relayEnds, ...world.media.puller.relayEnds]).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  }, 120_000);
});
