import { eventually } from '@meridian/harness';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesOf } from '../../src/faults/agreement.ts';
import { Call } from '../../src/faults/call.ts';
import { Stage } from '../../src/faults/stage.ts';

/** Each way between any two nodes: Amsterdam to Hong Kong and back in 280 ms. */
const ONE_WAY_MS = 140;
/** How long a picture is looked at. */
const LOOK_MS = 5_000;
/** What others leave standing at the beginning: 2 to 4 s. From the offer of the stream to its first frame on the screen. */
const FIRST_FRAME_WITHIN_MS = 2_000;
const FREEZE_MS = 1_000;

describe('a call over relays as long as from Amsterdam to Hong Kong', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open('gates');
    const nodes = [...stage.cluster.nodes.keys()];
    for (const from of nodes) {
      for (const to of nodes) {
        if (to !== from) await stage.gates.pipes.change(`${from}>${to}`, { delayMs: ONE_WAY_MS });
      }
    }
  });
  afterAll(() => stage?.close());

  test('shows everybody to whoever comes, soon, and does not freeze then', async () => {
    const call = await Call.start(stage);
    try {
      const { participants } = await call.snapshot();
      const far = participants.flatMap(({ name: viewer, nodeId: here }) =>
        participants
          .filter(({ nodeId }) => nodeId !== here)
          .map(({ name: of, sessionId }) => ({ viewer, of, sessionId })),
      );
      expect(far.length).toBeGreaterThanOrEqual(4);
      const recordings = await eventually(
        'everybody has been looked at for a while',
        async () => {
          const all = await call.recordings();
          for (const { viewer, of } of far) {
            const { frames = {}, now = 0 } = all.get(viewer) ?? {};
            const [first = now] = framesOf(frames, of);
            if (now - first < LOOK_MS) throw new Error(`${viewer} has ${of} since ${Math.round(now - first)} ms`);
          }
          return all;
        },
        { withinMs: 60_000, everyMs: 250 },
      );

      const seen = far.map(({ viewer, of, sessionId }) => {
        const { frames = {}, signals = [], now = 0 } = recordings.get(viewer) ?? {};
        const moments = framesOf(frames, of);
        const [first = Number.NaN] = moments;
        const offered = signals.find((one) => one.event === 'consumer-opened' && one.sessionId === sessionId);
        const until = [...moments.slice(1), now];
        const gaps = moments.flatMap((at, index) => (at < first + LOOK_MS ? [(until[index] ?? now) - at] : []));
        return { viewer, of, firstMs: first - (offered?.atMs ?? Number.NaN), longestMs: Math.max(...gaps) };
      });
      for (const { viewer, of, firstMs, longestMs } of seen) {
        const figures = `first frame after ${Math.round(firstMs)} ms, longest gap ${Math.round(longestMs)} ms`;
        process.stdout.write(`${viewer} of ${of}: ${figures}\n`);
        expect(firstMs, `${viewer} of ${of}`).toBeLessThan(FIRST_FRAME_WITHIN_MS);
        expect(longestMs, `${viewer} of ${of}`).toBeLessThan(FREEZE_MS);
      }
    } finally {
      await call.close();
    }
  });
});
