import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bypassedLinks,
  figuresOf,
  type RecordedRun,
  readRun,
  recordRun,
  Scenario,
  Series,
  World,
} from '../../src/experiment/index.ts';
import { numberIn } from '../../src/experiment/measure/interpolate.ts';
import { quantile } from '../../src/experiment/measure/numbers.ts';

/** Between the nodes it is longer one way than the other by so much, ms. */
const LONGER_MS = 200;

/** Anna at one node, Binh at another; everything between them is a relay whose two directions differ. */
const scenario = Scenario.parse({
  name: 'two-delays',
  title: 'One way is longer than the other',
  description: 'A known difference, to be found again in what is measured.',
  nodes: {
    aa: { region: 'eu-west', place: 'Here', at: { latitude: 52, longitude: 5 } },
    bb: { region: 'ap-vn', place: 'There', at: { latitude: 10, longitude: 106 } },
  },
  clients: {
    anna: { place: 'Here', lastMile: [{ name: 'line', both: { delayMs: 5 } }] },
    binh: { place: 'There', lastMile: [{ name: 'line', both: { delayMs: 5 } }] },
    // No browser: fills the room, beside Binh.
    lia: {
      kind: 'light',
      place: 'There',
      lastMile: [{ name: 'line', both: { delayMs: 5 } }],
      sends: { video: { width: 160, height: 90, fps: 10, simulcast: false }, audio: true },
    },
  },
  paths: [
    { between: ['anna', 'aa'], over: [] },
    { between: ['binh', 'aa'], over: [] },
    { between: ['binh', 'bb'], over: [] },
    { between: ['lia', 'aa'], over: [] },
    { between: ['lia', 'bb'], over: [] },
    {
      between: ['aa', 'bb'],
      over: [{ name: 'sea', forward: { delayMs: 10 }, backward: { delayMs: 10 + LONGER_MS } }],
    },
  ],
  service: 'aa',
  sends: { video: { width: 320, height: 180, fps: 10 }, audio: true },
  arms: [{ name: 'relay', title: 'Over a relay', at: { anna: 'aa', binh: 'bb', lia: 'bb' } }],
  warmUpS: 3,
  lengthS: 8,
});

let dir: string;
let world: World;
let run: RecordedRun;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meridian-experiment-'));
  world = await World.open({ scenario });
  const file = join(dir, 'run.jsonl');
  const recorded = await recordRun({
    world,
    arm: 'relay',
    profiles: new Map(),
    experiment: 'test',
    block: 0,
    order: 0,
    seed: 1,
    file,
  });
  expect(recorded.end).toMatchObject({ outcome: 'complete' });
  // What is evaluated is what was written.
  run = await readRun(file);
}, 180_000);
afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

/** How long the fastest tenth took, ms: what waits in queues of a busy machine is not in it. */
const fastest = (latencies: readonly number[]): number => quantile(latencies, 0.1) ?? Number.NaN;

const pictures = (sender: string) =>
  run.of('frames').flatMap((line) => (line.sender === sender ? line.rows.map((row) => row[2] - row[1]) : []));
const sounds = (sender: string) =>
  run
    .of('ticks')
    .flatMap((line) => (line.sender === sender ? line.rows.map(([, played, heard]) => heard - played) : []));

describe('one run of an experiment', () => {
  it('times every picture, and finds the longer way again', () => {
    expect(pictures('anna').length).toBeGreaterThan(10);
    expect(pictures('binh').length).toBeGreaterThan(10);
    const difference = fastest(pictures('binh')) - fastest(pictures('anna'));
    expect(difference).toBeGreaterThan(LONGER_MS / 2);
    expect(difference).toBeLessThan(LONGER_MS * 1.5);
  });

  it('times the sound as well', () => {
    expect(sounds('anna').length).toBeGreaterThan(5);
    const difference = fastest(sounds('binh')) - fastest(sounds('anna'));
    expect(difference).toBeGreaterThan(LONGER_MS / 2);
    expect(difference).toBeLessThan(LONGER_MS * 1.5);
  });

  it('sends media and relays over the emulated links, in both directions', () => {
    expect(bypassedLinks(run)).toEqual([]);
    const last = run.of('links').at(-1);
    for (const link of [
      'aa~bb/sea/forward',
      'aa~bb/sea/backward',
      'lia/line/forward',
      'anna/line/forward',
      'binh/line/backward',
    ]) {
      expect(last?.links[link]?.offered, link).toBeGreaterThan(100);
    }
  });

  it('says where the time goes: the relay by the nodes\u2019 own figures', () => {
    const legs = figuresOf(run)?.streams.find(({ sender }) => sender === 'binh')?.legs;
    // Half of a round trip over both directions of the relay.
    expect(legs?.relay).toBeGreaterThan(LONGER_MS / 4);
    expect(legs?.clientUp).not.toBeNull();
    expect(legs?.play).not.toBeNull();
  });

  it('keeps what browsers and nodes measured, clocks and the load of the machine', () => {
    for (const client of ['anna', 'binh']) {
      const stats = run.of('stats').filter((line) => line.client === client);
      expect(stats.length).toBeGreaterThan(4);
      // Counters are read until the measured time is over, or its end would be missing.
      expect(stats.at(-1)?.atMs).toBeGreaterThanOrEqual(run.window?.toMs ?? Number.POSITIVE_INFINITY);
      // mediasoup's stream for probing comes from nobody.
      const senders = stats
        .at(-1)
        ?.reports.flatMap(({ type, kind, sender }) =>
          type === 'inbound-rtp' && kind === 'video' && sender !== undefined ? [sender] : [],
        );
      expect(senders?.sort()).toEqual([client === 'anna' ? 'binh' : 'anna', 'lia']);
      expect(run.of('node-stats').some((line) => line.client === client && line.relays.length > 0)).toBe(true);
      expect(run.of('clock').some((line) => line.client === client)).toBe(true);
      const frames = stats
        .at(-1)
        ?.reports.flatMap((report) =>
          report.type === 'media-source' && report.kind === 'video' ? (numberIn(report, 'frames') ?? []) : [],
        );
      expect(Math.max(...(frames ?? []))).toBeGreaterThan(10);
    }
    const series = new Series(run.of('scrape'));
    const at = run.window?.toMs ?? 0;
    for (const node of ['aa', 'bb']) {
      for (const leg of ['client-up', 'client-down', 'relay-in', 'relay-out']) {
        expect(series.sumAt(node, 'meridian_media_bytes_total', { leg }, at), `${leg} of ${node}`).toBeGreaterThan(0);
      }
    }
    const names = new Set(run.of('machine').flatMap(({ processes }) => processes.map(({ name }) => name)));
    expect([...names]).toEqual(expect.arrayContaining(['chromium', 'aa', 'bb', 'session-api', 'lab', 'redis']));
  });

  it('counts what a light peer gets, and what is got of it; only pages time pictures and sound', () => {
    const streams = figuresOf(run)?.streams ?? [];
    const between = (sender: string, receiver: string) =>
      streams.find((one) => one.sender === sender && one.receiver === receiver);
    for (const [sender, receiver] of [
      ['anna', 'lia'],
      ['lia', 'anna'],
    ] as const) {
      const figures = between(sender, receiver);
      expect(figures, `${sender} to ${receiver}`).toMatchObject({
        timed: false,
        glassToGlass: null,
        audioLatency: null,
        framesPerSecond: null,
      });
      expect(figures?.videoBps).toBeGreaterThan(20_000);
      expect(figures?.audioBps).toBeGreaterThan(10_000);
      expect(figures?.jitterMs).not.toBeNull();
      // None is lost on these links, but sockets of a busy machine may overflow.
      for (const loss of [figures?.audioLoss, figures?.lossBeforeRepair]) expect(loss).toBeLessThan(0.5);
      // By RTCP: both last miles and the sea, there and back.
      expect(figures?.pathRttMs).toBeGreaterThan(LONGER_MS);
    }
    expect(between('anna', 'binh')?.timed).toBe(true);
    expect(run.of('frames').some(({ sender }) => sender === 'lia')).toBe(false);
    expect(run.of('mark').some(({ client, what }) => client === 'lia' && what === 'receiving')).toBe(true);
    // What it sends and gets is held against its node's figures with everybody else's there.
    expect(run.end?.crossChecks.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['media sent to bb', 'media received from bb']),
    );
  });

  it('compares pictures with what was sent', () => {
    expect(run.header.versions.ffmpeg, 'ffmpeg is to be installed: apt-get install ffmpeg').toBeDefined();
    expect(run.of('quality').length).toBeGreaterThan(2);
    // A wrong picture, or a wrong range of its luma, would be far below.
    expect(
      quantile(
        run.of('quality').map(({ ssim }) => ssim),
        0.5,
      ),
    ).toBeGreaterThan(0.6);
  });
});
