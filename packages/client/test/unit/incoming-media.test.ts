import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Beginning, Flow } from '../../src/media/flow-watch.ts';
import type { RemoteTrack } from '../../src/media/receiver.ts';
import { IncomingMedia } from '../../src/room/incoming-media.ts';
import { producer } from '../support/builders.ts';
import { FakeRuntime, settle } from '../support/fake-runtime.ts';
import { fakeTrack } from '../support/tracks.ts';

/** What comes in of one person's camera, with its flow in the test's hands. */
class Stage {
  readonly runtime = new FakeRuntime();
  readonly told: string[] = [];
  readonly quiet = new Set<RemoteTrack>();
  readonly replaced = new Set<string>();
  readonly left = new Set<RemoteTrack>();
  superseded = false;
  readonly beginnings: Beginning[] = [];
  readonly #flows = new Map<RemoteTrack, (flow: Flow) => void>();
  readonly incoming = new IncomingMedia({
    runtime: this.runtime,
    events: {
      onAdded: (track) => this.told.push(`+${track.producerId}`),
      onReplaced: (before, after) => this.told.push(`${before.producerId}>${after.producerId}`),
      onRemoved: (track) => this.told.push(`-${track.producerId}`),
      onFlowing: () => {},
    },
    isQuiet: (track) => this.quiet.has(track),
    isSuperseded: () => this.superseded,
    isReplaced: ({ producerId }) => this.replaced.has(producerId),
    isLeft: (track) => this.left.has(track),
  });

  remote(producerId: string): RemoteTrack {
    const { sessionId, source, kind, producerId: id } = producer(producerId, 's-other');
    return { producerId: id, sessionId, source, kind, track: fakeTrack('video') };
  }

  /** Everything moves but what is in here. */
  readonly still = new Set<RemoteTrack>();
  #counted = 0;

  add(remote: RemoteTrack): RemoteTrack {
    this.incoming.add(remote, {
      watch: (beginning, onFlow) => {
        this.beginnings.push(beginning);
        this.#flows.set(remote, onFlow);
        return () => this.#flows.delete(remote);
      },
      count: async () => {
        this.#counted += 1;
        return this.still.has(remote) ? 7 : this.#counted;
      },
    });
    return remote;
  }

  flow(remote: RemoteTrack, ...flows: readonly Flow[]): void {
    for (const flow of flows) this.#flows.get(remote)?.(flow);
  }

  get watched(): number {
    return this.#flows.size;
  }
}

describe('a track that takes the place of another one', () => {
  it('has only a new way when we move, a new sender as well when they do', () => {
    const stage = new Stage();
    stage.add(stage.remote('here'));
    stage.add(stage.remote('here'));
    stage.add(stage.remote('there'));
    expect(stage.beginnings).toEqual(['way', 'sender']);
  });

  it('is shown when it flows steadily, and nobody sees a removal', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    const next = stage.add(stage.remote('p2'));
    stage.flow(next, 'begun');
    expect(stage.incoming.trackOf(old.sessionId, 'camera')).toBe(old);
    stage.flow(next, 'steady');
    stage.incoming.drop(old);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
    expect([...stage.incoming.tracks.keys()]).toEqual(['p2']);
    expect(stage.watched).toBe(0);
  });

  it('is shown at its first picture where the old one is over; the last picture stays until then', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    const next = stage.add(stage.remote('p2'));
    stage.incoming.drop(old);
    expect(stage.told).toEqual(['+p1']);
    stage.flow(next, 'begun');
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is shown at its first picture where the old one stands still, as that of a dead node', async () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.still.add(old);
    const next = stage.add(stage.remote('p2'));
    await stage.runtime.advance(300);
    stage.flow(next, 'begun');
    await settle();
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is not shown at its first picture where the old one has only paused, as every track does while another is taken on', async () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.still.add(old);
    const next = stage.add(stage.remote('p2'));
    await stage.runtime.advance(50);
    stage.flow(next, 'begun');
    await settle();
    expect(stage.told).toEqual(['+p1']);
    stage.still.delete(old);
    await stage.runtime.advance(300);
    expect(stage.told).toEqual(['+p1']);
    stage.flow(next, 'steady');
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is shown a moment after its first picture where the old one has stood still until then', async () => {
    const stage = new Stage();
    stage.still.add(stage.add(stage.remote('p1')));
    const next = stage.add(stage.remote('p2'));
    stage.flow(next, 'begun');
    await stage.runtime.advance(300);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is not shown at its first picture while the old one moves', async () => {
    const stage = new Stage();
    stage.add(stage.remote('p1'));
    stage.flow(stage.add(stage.remote('p2')), 'begun');
    await settle();
    expect(stage.told).toEqual(['+p1']);
  });

  it('is not shown over the node that we leave where something comes over the one we move to', () => {
    const stage = new Stage();
    const before = stage.add(stage.remote('p1'));
    // They move a moment after us: their new camera comes over both nodes, over the old one first.
    const overOldNode = stage.add(stage.remote('p2'));
    stage.left.add(overOldNode);
    stage.replaced.add('p1');
    const overNewNode = stage.add(stage.remote('p2'));
    stage.flow(overOldNode, 'begun', 'steady');
    expect(stage.incoming.trackOf(before.sessionId, 'camera')).toBe(before);
    stage.flow(overNewNode, 'begun', 'steady');
    stage.incoming.drop(overOldNode);
    stage.incoming.drop(before);
    expect(stage.incoming.trackOf(before.sessionId, 'camera')).toBe(overNewNode);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is shown over the node that we leave where nothing else is left', () => {
    const stage = new Stage();
    const before = stage.add(stage.remote('p1'));
    const overOldNode = stage.add(stage.remote('p2'));
    stage.left.add(overOldNode);
    stage.flow(overOldNode, 'begun', 'steady');
    stage.incoming.drop(before);
    expect(stage.incoming.trackOf(before.sessionId, 'camera')).toBe(overOldNode);
  });

  it('is shown at once when the old one goes after its first picture', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.flow(stage.add(stage.remote('p2')), 'begun');
    stage.incoming.drop(old);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is waited for while it is announced only, but not for ever', async () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.superseded = true;
    stage.incoming.drop(old);
    await stage.runtime.advance(4_999);
    expect(stage.told).toEqual(['+p1']);
    await stage.runtime.advance(1);
    expect(stage.told).toEqual(['+p1', '-p1']);
    expect(stage.runtime.pending).toBe(0);
  });

  it('that never flows is shown all the same when the old one has been over for a while', async () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.add(stage.remote('p2'));
    stage.incoming.drop(old);
    await stage.runtime.advance(5_000);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is not waited for when nothing can flow: muted at its source, or hidden', () => {
    const stage = new Stage();
    stage.add(stage.remote('p1'));
    const next = stage.remote('p2');
    stage.quiet.add(next);
    stage.add(next);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('is not waited for any more when it is muted meanwhile', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.add(stage.remote('p2'));
    stage.incoming.quiet(old);
    expect(stage.told).toEqual(['+p1', 'p1>p2']);
  });

  it('and is gone before it came leaves the old one where it is', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    const next = stage.add(stage.remote('p2'));
    stage.incoming.drop(next);
    stage.flow(next, 'steady');
    expect(stage.incoming.trackOf(old.sessionId, 'camera')).toBe(old);
    expect(stage.told).toEqual(['+p1']);
  });

  it('is overtaken by a still newer one that flows first', () => {
    const stage = new Stage();
    stage.add(stage.remote('p1'));
    const second = stage.add(stage.remote('p2'));
    const third = stage.add(stage.remote('p3'));
    stage.flow(third, 'begun', 'steady');
    stage.flow(second, 'begun', 'steady');
    expect(stage.told).toEqual(['+p1', 'p1>p3']);
  });

  it('may come of the same producer, over another node', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    const next = stage.add(stage.remote('p1'));
    expect(stage.incoming.relyOn([old])).toBe(true);
    stage.flow(next, 'steady');
    expect(stage.incoming.relyOn([old])).toBe(false);
    expect(stage.incoming.tracks.get(next.producerId)).toBe(next);
  });
});

describe('what is published no more', () => {
  it('goes at once, with everything that was to follow it', () => {
    const stage = new Stage();
    const old = stage.add(stage.remote('p1'));
    stage.add(stage.remote('p2'));
    stage.incoming.forget(old);
    expect(stage.told).toEqual(['+p1', '-p1']);
    expect(stage.watched).toBe(0);
  });

  it('goes at the end of a stay, unless the next one has it', () => {
    const stage = new Stage();
    stage.add(stage.remote('p1'));
    const next = stage.add(stage.remote('p1'));
    stage.incoming.keepOnly([next]);
    expect(stage.told).toEqual(['+p1', 'p1>p1']);
    stage.incoming.keepOnly([]);
    expect(stage.told).toEqual(['+p1', 'p1>p1', '-p1']);
  });
});

describe('the same producer over two nodes, of which one is being left', () => {
  it('goes on over the one that stays, whichever of them flowed first', () => {
    for (const first of ['stays', 'leaves'] as const) {
      const stage = new Stage();
      const old = stage.add(stage.remote('p1'));
      const tracks = { stays: stage.remote('p2'), leaves: stage.remote('p2') };
      const second = first === 'stays' ? 'leaves' : 'stays';
      stage.add(tracks[first]);
      stage.add(tracks[second]);

      // The later one wins, and the other one counts no more as older.
      stage.flow(tracks[second], 'begun', 'steady');
      stage.incoming.drop(old);
      stage.incoming.drop(tracks.leaves);

      expect(stage.incoming.trackOf(old.sessionId, 'camera')).toBe(tracks.stays);
      expect(stage.told).not.toContain('-p2');
      expect(stage.watched).toBe(0);
    }
  });

  it('is over when neither of them is left', () => {
    const stage = new Stage();
    const [here, there] = [stage.add(stage.remote('p1')), stage.add(stage.remote('p1'))];
    stage.flow(there, 'begun', 'steady');

    stage.incoming.drop(here);
    stage.incoming.drop(there);

    expect(stage.incoming.trackOf(here.sessionId, 'camera')).toBeUndefined();
    expect(stage.told).toEqual(['+p1', 'p1>p1', '-p1']);
  });

  it('goes back to the one that was shown before when the one after it ends', () => {
    const stage = new Stage();
    const [stays, leaves] = [stage.add(stage.remote('p1')), stage.add(stage.remote('p1'))];
    stage.flow(leaves, 'begun', 'steady');

    stage.incoming.keepOnly([stays]);

    expect(stage.incoming.trackOf(stays.sessionId, 'camera')).toBe(stays);
  });
});

describe('two people who move at once: the old and the new producer, each over two nodes', () => {
  it('ends with the new producer over the new node, in whatever order its tracks come, flow and go', () => {
    const name = fc.constantFrom('old-here', 'old-there', 'new-here', 'new-there');
    const order = fc.shuffledSubarray(['old-here', 'old-there', 'new-here', 'new-there'] as const, { minLength: 4 });
    fc.assert(
      fc.property(order, fc.array(name, { maxLength: 8 }), order, fc.nat(4), (arrivals, flows, ends, knownAfter) => {
        const stage = new Stage();
        const tracks = new Map(arrivals.map((one) => [one, stage.remote(one.startsWith('old') ? 'p1' : 'p2')]));
        const track = (one: string) => tracks.get(one as (typeof arrivals)[number]) ?? expect.fail(one);
        for (const [index, one] of arrivals.entries()) {
          // The news of the replacement may come before or after any of the tracks.
          if (index === knownAfter) stage.replaced.add('p1');
          stage.add(track(one));
        }
        stage.replaced.add('p1');
        stage.superseded = true;
        for (const one of flows) stage.flow(track(one), 'begun', 'steady');

        // Everything ends but the new producer at the new node, which flows in the end.
        for (const one of ends) if (one !== 'new-there') stage.incoming.drop(track(one));
        stage.flow(track('new-there'), 'begun', 'steady');

        expect(stage.incoming.trackOf(track('new-there').sessionId, 'camera')).toBe(track('new-there'));
        expect(stage.told.filter((line) => line.startsWith('-'))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
