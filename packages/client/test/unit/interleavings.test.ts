import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Room } from '../../src/index.ts';
import { chatLine, participant } from '../support/builders.ts';
import type { FakeConnection } from '../support/fake-cluster.ts';
import { FakeMedia } from '../support/fake-media.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

const NODES = ['ams-1', 'sin-1', 'sgn-1'];
/** Without a connection for so long a participant is gone. */
const WINDOW_MS = 15_000;

/** One client, its cluster, and what must hold whatever happens to them. */
class World {
  readonly stage = new Stage();
  readonly media = new FakeMedia();
  /** Every line that was ever said, by id, in order. */
  readonly said: string[] = [];
  /** How often a node took a line of ours. */
  readonly taken = new Map<string, number>();
  readonly answered = new Map<string, 'yes' | 'no'>();
  #ownTexts = 0;

  static async start(): Promise<{ world: World; room: Room }> {
    const world = new World();
    const { cluster, runtime } = world.stage;
    runtime.createDevice = world.media.createDevice;
    runtime.chance = 0.5;
    cluster.nodes = [...NODES];
    cluster.resumeWindowMs = WINDOW_MS;
    cluster.participants = [participant('s-other', { name: 'Binh' })];
    cluster.answers.set('send-chat', (data) => {
      const { text } = data as { text: string };
      world.taken.set(text, (world.taken.get(text) ?? 0) + 1);
      const message = chatLine(text, runtime.now(), { sessionId: 's-1', text });
      cluster.messages.push(message);
      return { message };
    });
    const room = await world.stage.join({ tracks: [{ source: 'camera', track: fakeTrack('video') }] });
    world.media.setState('connected');
    return { world, room };
  }

  /** Connections of which the node still has the participant. */
  get held(): FakeConnection[] {
    const newest = new Map(this.stage.cluster.connections.map((one) => [one.attachment, one]));
    return [...newest.values()].filter(
      ({ attachment, methods }) => !attachment.gone && methods.includes('join') && !methods.includes('leave'),
    );
  }

  /** Somebody says something: every node that has us tells us, now or at a resume; the history has it anyway. */
  say(): void {
    const id = `l${this.said.length + 1}`;
    const message = chatLine(id, this.stage.runtime.now());
    this.said.push(id);
    this.stage.cluster.messages.push(message);
    for (const one of this.held) one.notify('chat', { message });
  }

  send(room: Room): void {
    this.#ownTexts += 1;
    const text = `own-${this.#ownTexts}`;
    room.chat.send(text).then(
      () => this.answered.set(text, 'yes'),
      () => this.answered.set(text, 'no'),
    );
  }

  /** Everything is well again, for long enough. */
  async calm(): Promise<void> {
    const { cluster, runtime } = this.stage;
    this.media.lives = true;
    cluster.dead.clear();
    cluster.black.clear();
    runtime.comeOnline();
    for (let step = 0; step < 40; step += 1) {
      this.media.setState('connected');
      await runtime.advance(1_000);
    }
  }
}

interface Step {
  readonly name: string;
  readonly run: (world: World, room: Room) => Promise<void> | void;
}

const step = (name: string, run: Step['run']): fc.Arbitrary<Step> => fc.constant({ name, run });
const pick = fc.constantFrom(...NODES);

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: step('lose', ({ stage }) => stage.cluster.connection.end(1006)) },
  {
    weight: 2,
    arbitrary: step('lose the first open one', ({ stage }) =>
      stage.cluster.connections.find((one) => one.isOpen)?.end(1006),
    ),
  },
  {
    weight: 1,
    arbitrary: step('go deaf', ({ stage }) => {
      stage.cluster.connection.deaf = true;
    }),
  },
  { weight: 4, arbitrary: step('say', (world) => world.say()) },
  { weight: 4, arbitrary: step('send', (world, room) => world.send(room)) },
  {
    weight: 3,
    arbitrary: step('ask to move', ({ stage }) => {
      stage.cluster.connection.notify('move-asked', { reason: 'draining', deadlineMs: 20_000 });
    }),
  },
  {
    weight: 1,
    arbitrary: step('forget', ({ stage }) => {
      stage.cluster.connection.attachment.gone = true;
      stage.cluster.connection.end(1006);
    }),
  },
  {
    weight: 1,
    arbitrary: step('mute', (_world, room) => {
      room.mute('camera').catch(() => {});
    }),
  },
  {
    weight: 1,
    arbitrary: step('unmute', (_world, room) => {
      room.unmute('camera').catch(() => {});
    }),
  },
  {
    weight: 1,
    arbitrary: pick.map(
      (node): Step => ({ name: `kill ${node}`, run: ({ stage }) => void stage.cluster.dead.add(node) }),
    ),
  },
  { weight: 2, arbitrary: step('mend', ({ stage }) => stage.cluster.dead.clear()) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (lives): Step => ({
        name: `media ${lives ? 'lives' : 'is silent'}`,
        run: ({ media }) => {
          media.lives = lives;
        },
      }),
    ),
  },
  { weight: 1, arbitrary: step('online', ({ stage }) => stage.runtime.comeOnline()) },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(0, 50, 400, 1_500, 5_000)
      .map((ms): Step => ({ name: `wait ${ms}`, run: ({ stage }) => stage.runtime.advance(ms) })),
  },
);

describe('whatever is lost, resumed, asked and said in whatever order', () => {
  it('the call goes on: every line once, every request once at most, one producer, nothing left behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 25 }), async (history) => {
        const { world, room } = await World.start();
        const { cluster, runtime } = world.stage;
        for (const { run } of history) {
          await run(world, room);
          await settle();
        }
        await world.calm();

        expect(room.phase).toEqual({ name: 'connected' });
        const current = cluster.connections.filter((one) => one.isOpen);
        expect(current.map(({ nodeId }) => nodeId)).toEqual([room.whereabouts.nodeId]);
        // Everybody else's lines: each once. Ours: at most once, and never unanswered.
        const shown = room.chat.lines.map(({ id }) => id).filter((id) => id.startsWith('l'));
        expect(shown).toEqual([...new Set(shown)]);
        const before = world.stage.valuesOf('chat').length;
        expect(before).toBe(new Set(room.chat.lines.map(({ id }) => id)).size);
        // The first line there was fixes where the history begins; nothing after it is missing.
        expect(shown).toEqual(world.said.slice(world.said.indexOf(shown[0] ?? '')).filter(() => shown.length > 0));
        for (const [text, times] of world.taken) expect([text, times]).toEqual([text, 1]);
        for (const text of world.answered.keys()) {
          if (world.answered.get(text) === 'yes') expect(world.taken.get(text)).toBe(1);
        }
        expect(room.publications).toMatchObject([{ source: 'camera', state: 'live' }]);
        // At the node where we are: one producer for the camera.
        const own = current[0];
        expect((own?.of('publish').length ?? 0) - (own?.of('unpublish').length ?? 0)).toBe(1);

        const sent = world.answered.size;
        world.send(room);
        await settle();
        expect(world.answered.size).toBe(sent + 1);

        const leaving = room.leave();
        await runtime.advance(2_000);
        await leaving;
        expect(runtime.pending).toBe(0);
        expect(cluster.connections.filter((one) => one.isOpen)).toEqual([]);
      }),
      { numRuns: 100, endOnFailure: false },
    );
  }, 120_000);
});
