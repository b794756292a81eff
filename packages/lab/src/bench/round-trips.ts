import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@meridian/harness';
import type { Browser } from 'playwright-core';
import { median } from '../analysis/quantile.ts';
import { launchChromium } from '../browser/chromium.ts';
import { detourScript } from '../browser/detour.ts';
import { Person } from '../browser/person.ts';
import { createRoom } from '../light/api.ts';
import { LocalCluster } from '../local-cluster/index.ts';
import { LOCAL_REGIONS } from '../local-cluster/regions.ts';
import { delayTcp, delayUdp } from '../wan/delay-proxy.ts';
import type { BenchResult } from './result.ts';

/** Added to every round trip between the joining browser and the cluster, milliseconds. */
const DELAYS_MS = [0, 150, 300];
const REPEATS = 5;

/**
 * From the click on "join" to the first decoded frame of the other person, who sits on a node of
 * another region (so the relay is set up in this time too). The added delay is on the joiner's way to
 * the cluster only; the slope of the time over it is the number of round trips that follow one another.
 */
export async function run(): Promise<BenchResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-bench-'));
  const webDir = fileURLToPath(new URL('../../../web/dist', import.meta.url));
  const cluster = await LocalCluster.start({ dataDir, regions: LOCAL_REGIONS.slice(0, 2), webDir });
  const browser = await launchChromium({ fps: 15 });
  const times = new Map<number, number[]>();
  const lines: string[] = [];
  const figures: Record<string, number> = {};
  try {
    const room = await createRoom(cluster.url);
    const binh = await Person.join(browser, { url: cluster.url, room, name: 'Binh', region: 'ap-southeast' });
    // Interleaved, so that a drift of the machine falls on every delay alike.
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      for (const delayMs of DELAYS_MS) {
        const taken = await clickToFirstFrame(cluster, browser, room, delayMs);
        times.set(delayMs, [...(times.get(delayMs) ?? []), taken.totalMs]);
        if (repeat === 0 && delayMs === 150) lines.push(`steps at +150 ms: ${taken.steps}`);
      }
    }
    await binh.close();
  } finally {
    await browser.close();
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  for (const delayMs of DELAYS_MS) {
    const all = times.get(delayMs) ?? [];
    figures[`click_to_first_frame_ms_at_${delayMs}`] = median(all);
    lines.push(
      `+${String(delayMs).padStart(3)} ms RTT: click to first remote frame ${median(all).toFixed(0)} ms (median of ${all.length}; ${all.map((one) => one.toFixed(0)).join(', ')})`,
    );
  }
  const [least, most] = [DELAYS_MS[0] ?? 0, DELAYS_MS.at(-1) ?? 0];
  const slope = (median(times.get(most) ?? []) - median(times.get(least) ?? [])) / (most - least);
  figures.sequential_round_trips = slope;
  lines.push(`sequential round trips (slope of time over delay): ${slope.toFixed(1)}`);
  return { name: 'click to first remote frame', lines, figures };
}

/** The SDK's own account of its join, as one line. */
const STEPS = `(() => {
  const timings = window.meridian?.room?.timings;
  if (timings?.marks['first-media'] === undefined) return false;
  const steps = timings.steps
    .filter((step) => step.endMs > step.startMs)
    .map((step) => step.step + ' ' + Math.round(step.endMs - step.startMs) + ' ms (' + step.roundTrips + ')');
  const marks = Object.entries(timings.marks).map(([mark, ms]) => mark + ' at ' + Math.round(ms));
  return steps.join(', ') + '; ' + marks.join(', ') + '; ' + timings.sequentialRoundTrips + ' round trips in a row to "joined"';
})()`;

async function clickToFirstFrame(
  cluster: LocalCluster,
  browser: Browser,
  room: string,
  rttMs: number,
): Promise<{ totalMs: number; steps: string }> {
  const node = cluster.node('ams-1');
  const web = await delayTcp(Number(new URL(cluster.url).port), rttMs);
  const signalling = await delayTcp(node.httpPort, rttMs);
  const media = await delayUdp(node.rtcPort, rttMs);
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  try {
    await context.addInitScript(
      detourScript({ tcp: { [node.httpPort]: signalling.port }, udp: { [node.rtcPort]: media.port } }),
    );
    const anna = await Person.inContext(
      context,
      { url: `http://localhost:${web.port}`, room, name: 'Anna', region: 'eu-west' },
      { autojoin: false },
    );
    // The person looks at the pre-join page first; what can be prepared is prepared meanwhile.
    await anna.page.getByTestId('join-button').waitFor({ state: 'visible' });
    await eventually('the pre-join page has found a node', async () =>
      anna.page.getByTestId('join-button').isEnabled(),
    );
    await anna.page.waitForLoadState('networkidle');
    const started = performance.now();
    await anna.click('join-button');
    await eventually(
      'a remote frame is decoded',
      async () => [...(await anna.decodedFrames()).values()].some((frames) => frames > 0),
      { withinMs: 30_000, everyMs: 10 },
    );
    const totalMs = performance.now() - started;
    // The track that the probe saw first may still be on its way to the SDK's own mark.
    const steps = await eventually('the SDK has timed its join', () => anna.page.evaluate(STEPS));
    await anna.leave();
    return { totalMs, steps: String(steps) };
  } finally {
    await context.close();
    await Promise.all([web.close(), signalling.close(), media.close()]);
  }
}
