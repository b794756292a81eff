import { describe, expect, it } from 'vitest';
import { type Beginning, type Flow, FlowWatch } from '../../src/media/flow-watch.ts';
import { FakeRuntime } from '../support/fake-runtime.ts';

/** One track that receives what the test says, and when it was told to begin and to be steady. */
function stage(kind: 'audio' | 'video', beginning: Beginning = 'sender') {
  const runtime = new FakeRuntime();
  const startMs = runtime.now();
  let count = 0;
  const told: Partial<Record<Flow, number>> = {};
  const watch = new FlowWatch({
    runtime,
    getStats: async () =>
      new Map([
        ['in', { id: 'in', type: 'inbound-rtp', trackIdentifier: 't', framesDecoded: count, packetsReceived: count }],
      ]),
  });
  watch.watch({ id: 't' }, { kind, beginning }, (flow) => {
    told[flow] = runtime.now() - startMs;
  });
  return {
    told,
    watch,
    runtime,
    /** So many frames (or packets), one every so often. */
    async receive(frames: number, everyMs: number): Promise<void> {
      for (let frame = 0; frame < frames; frame += 1) {
        count += 1;
        await runtime.advance(everyMs);
      }
    },
    pause: (ms: number) => runtime.advance(ms),
  };
}

describe('the flow of a track', () => {
  it('begins with the first frame, and is steady when frames have come without a pause for two seconds', async () => {
    const { told, receive } = stage('video');
    await receive(70, 33);
    expect(told.begun).toBeLessThanOrEqual(60);
    expect(told.steady).toBeGreaterThanOrEqual(2_000);
    expect(told.steady).toBeLessThanOrEqual(2_150);
  });

  it('is steady after half a second where only the way is new', async () => {
    const { told, receive } = stage('video', 'way');
    await receive(30, 33);
    expect(told.steady).toBeGreaterThanOrEqual(500);
    expect(told.steady).toBeLessThanOrEqual(650);
    const few = stage('video', 'way');
    await few.receive(12, 200);
    expect(few.told.steady).toBeGreaterThanOrEqual(2_000);
    expect(few.told.steady).toBeLessThanOrEqual(2_150);
  });

  it('is not steady while the encoder leaves out pictures after the key frames that others asked for', async () => {
    const { told, receive, pause } = stage('video');
    // The pause comes when the first viewer has long seen pictures.
    await receive(40, 33);
    await pause(200);
    await receive(50, 33);
    expect(told.steady).toBeUndefined();
    await receive(15, 33);
    expect(told.steady).toBeGreaterThanOrEqual(40 * 33 + 200 + 2_000 - 150);
  });

  it('counts as steady in the end where few frames come: a still picture, a weak line', async () => {
    const { told, receive, runtime, watch } = stage('video');
    await receive(20, 200);
    expect(told.steady).toBeGreaterThanOrEqual(3_500);
    expect(told.steady).toBeLessThanOrEqual(3_650);
    watch.close();
    expect(runtime.pending).toBe(0);
  });

  it('of sound is steady after some packets, or a while after the first one', async () => {
    const talking = stage('audio');
    await talking.receive(12, 20);
    expect(talking.told.steady).toBeLessThanOrEqual(250);
    const silent = stage('audio');
    await silent.receive(4, 400);
    expect(silent.told.steady).toBeGreaterThanOrEqual(700);
    expect(silent.told.steady).toBeLessThanOrEqual(850);
  });
});
