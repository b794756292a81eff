import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openCluster } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import { NodeId } from '@meridian/protocol';
import { createRoom } from '../light/api.ts';
import { LOCAL_REGIONS, LocalCluster } from '../local-cluster/index.ts';
import { RawRedis } from '../redis/raw-redis.ts';
import { Churn } from './churn.ts';
import { childrenOf, HELD, type Sample, sampleOf } from './sampler.ts';
import { floors, type Point, spark, type Trend, trendOf } from './trend.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** JSON lines: every sample, then the result. */
  readonly out: string;
  readonly say: (line: string) => void;
}

export interface Row extends Trend {
  readonly name: string;
  readonly curve: string;
}

export interface SoakResult {
  readonly rows: readonly Row[];
  readonly counts: ReadonlyMap<string, number>;
  /** What was not gone when everybody had gone. */
  readonly left: readonly string[];
}

const SAMPLE_MS = 2_000;
/** Caches, pools and the garbage collector find their size in this share of the time, or this long. */
const WARM_UP_SHARE = 0.25;
const WARM_UP_MS = 120_000;
/** A worker of the second node dies, and the third node is restarted, that often. */
const WORKER_KILL_MS = 60_000;
const RESTART_MS = 150_000;
/** The first node is drained that often; who is left after this time is told to join again. */
const DRAIN_MS = 200_000;
const DRAINED_WITHIN_MS = 5_000;
/** No process is ended after this share of the time: the last life of each has to be long enough to be judged. */
const LAST_LIFE_SHARE = 0.5;
/** Of a heap, the lowest of so many samples counts. */
const HEAP_WINDOW = 5;
const PEOPLE = 9;

/** Growth that does not count, by the last word of a figure's name. */
const ALLOWED: Readonly<Record<string, number>> = {
  'rss MiB': 20,
  'heap MiB': 6,
  'worker rss MiB': 15,
  'redis MiB': 2,
  'redis keys': 60,
};
const ALLOWED_COUNT = 15;

export async function soak({ minutes, seed, out, say }: SoakOptions): Promise<SoakResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-soak-'));
  await mkdir(dirname(out), { recursive: true });
  const cluster = await LocalCluster.start({
    dataDir,
    nodeEnv: { MERIDIAN_LOG_LEVEL: 'fatal', MERIDIAN_RESUME_WINDOW_MS: '5000', MERIDIAN_CONNECTIONS_PER_ADDRESS: '0' },
    sessionApiEnv: {
      MERIDIAN_LOG_LEVEL: 'fatal',
      MERIDIAN_REQUESTS_PER_MINUTE: '1000000',
      MERIDIAN_GUESTS_PER_MINUTE: '1000000',
    },
  });
  const raw = await RawRedis.open(Number(new URL(cluster.redisUrl).port));
  const samples: { readonly atMs: number; readonly sample: Sample }[] = [];
  const regions = LOCAL_REGIONS.map(({ region }) => region);
  const rooms = [await createRoom(cluster.url), await createRoom(cluster.url), await createRoom(cluster.url)];
  const churn = new Churn({ url: cluster.url, rooms, regions, people: PEOPLE, seed });
  try {
    const idle = await sampleOf(cluster, raw);
    churn.start();
    const started = performance.now();
    const endsAt = minutes * 60_000;
    let nextKill = WORKER_KILL_MS;
    let nextRestart = RESTART_MS;
    let nextDrain = DRAIN_MS;
    let draining: Promise<void> = Promise.resolve();
    let restarting: Promise<unknown> = Promise.resolve();
    for (let nowMs = 0; nowMs < endsAt; nowMs = performance.now() - started) {
      const sample = await sampleOf(cluster, raw);
      samples.push({ atMs: nowMs, sample });
      await appendFile(out, `${JSON.stringify({ atMs: Math.round(nowMs), ...Object.fromEntries(sample) })}\n`);
      if (nowMs > nextKill && nowMs < endsAt * LAST_LIFE_SHARE) {
        nextKill += WORKER_KILL_MS;
        killWorker(cluster);
        say(`${clock(nowMs)}: a worker was killed`);
      }
      if (nowMs > nextDrain) {
        nextDrain += DRAIN_MS;
        draining = draining
          .then(() => drainFirst(cluster))
          .catch((error: unknown) => say(`a drain failed: ${String(error)}`));
        say(`${clock(nowMs)}: the first node is drained`);
      }
      if (nowMs > nextRestart && nowMs < endsAt * LAST_LIFE_SHARE) {
        nextRestart += RESTART_MS;
        restarting = restarting.then(() => cluster.restartNode(restarted()));
        say(`${clock(nowMs)}: ${restarted()} is restarted`);
      }
      if (samples.length % 15 === 0)
        say(`${clock(nowMs)} of ${minutes} min: ${churn.people} people, ${summary(sample)}`);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    await Promise.all([restarting, draining]);
    await churn.stop();
    say('everybody has left');
    const left = await leftOver(cluster, raw, idle);
    const rows = judge(samples, Math.min(WARM_UP_MS, endsAt * WARM_UP_SHARE));
    const result = { rows, counts: churn.counts, left };
    await appendFile(out, `${JSON.stringify({ result: { ...result, counts: Object.fromEntries(churn.counts) } })}\n`);
    return result;
  } finally {
    await churn.stop();
    raw.close();
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function killWorker(cluster: LocalCluster): void {
  const node = [...cluster.nodes.values()][1];
  const [worker] = node === undefined ? [] : childrenOf(node.child.pid);
  if (worker !== undefined) process.kill(worker, 'SIGKILL');
}

/** Sends everybody away from the first node, and lets it take sessions again. */
async function drainFirst(local: LocalCluster): Promise<void> {
  const [first] = LOCAL_REGIONS;
  if (first === undefined) throw new Error('the local cluster has no nodes');
  const nodeId = NodeId.parse(first.nodeId);
  const state = await openCluster({ url: local.redisUrl, keyPrefix: local.redisPrefix });
  try {
    const asker = await state.inbox(NodeId.parse('soak-drain'));
    await asker.request(nodeId, 'node.drain', { action: 'start', deadlineMs: DRAINED_WITHIN_MS, spreadMs: 0 });
    await eventually(
      'nobody is left on the node',
      async () => {
        const { drain } = await asker.request(nodeId, 'node.drain', { action: 'status' });
        return drain?.left === 0;
      },
      { withinMs: 4 * DRAINED_WITHIN_MS, everyMs: 500 },
    ).finally(() => asker.request(nodeId, 'node.drain', { action: 'cancel' }));
  } finally {
    await state.close();
  }
}

function restarted(): string {
  const last = LOCAL_REGIONS.at(-1);
  if (last === undefined) throw new Error('the local cluster has no nodes');
  return last.nodeId;
}

/** Waits for everything to be as it was before; says what is not. */
async function leftOver(cluster: LocalCluster, raw: RawRedis, idle: Sample): Promise<string[]> {
  let left: string[] = [];
  await eventually(
    'all is as it was before',
    async () => {
      const now = await sampleOf(cluster, raw);
      left = [...cluster.nodes.keys()].flatMap((nodeId) => {
        const held = HELD.filter((name) => (now.get(`${nodeId} ${name}`) ?? 0) > (idle.get(`${nodeId} ${name}`) ?? 0));
        const fds = (now.get(`${nodeId} fds`) ?? 0) - (idle.get(`${nodeId} fds`) ?? 0);
        return [
          ...held.map((name) => `${nodeId}: ${now.get(`${nodeId} ${name}`)} ${name}`),
          ...(fds > 4 ? [`${nodeId}: ${fds} more open files than before`] : []),
        ];
      });
      for (const key of await raw.keys()) {
        if (!/:\{r:.*\}:/.test(key)) continue;
        if ((await raw.send('PTTL', key)) === -1) left.push(`${key} in Redis, for ever`);
      }
      return left.length === 0;
    },
    { withinMs: 40_000, everyMs: 500 },
  ).catch(() => {});
  return left;
}

function judge(samples: readonly { readonly atMs: number; readonly sample: Sample }[], warmMs: number): Row[] {
  const warm = samples.filter(({ atMs }) => atMs >= warmMs);
  const names = [...new Set(warm.flatMap(({ sample }) => [...sample.keys()]))]
    .filter((name) => !name.endsWith('pid'))
    .sort();
  return names.map((name) => {
    const service = name.split(' ')[0] ?? '';
    const owner = name.includes('worker') ? `${service} worker pid` : `${service} pid`;
    const lastPid = warm.at(-1)?.sample.get(owner);
    const points = warm.flatMap(({ atMs, sample }): Point[] => {
      const value = sample.get(name);
      // Of a process that was started anew, only the last life is judged.
      return value === undefined || sample.get(owner) !== lastPid ? [] : [{ atMs, value }];
    });
    const what = name.slice(service.length + 1);
    // A process that was started anew warms up again.
    const bornMs = samples.find(({ sample }) => sample.get(owner) === lastPid)?.atMs ?? 0;
    const settled = points.filter(({ atMs }) => atMs >= bornMs + warmMs);
    const used = what === 'heap MiB' ? floors(settled, HEAP_WINDOW) : settled;
    const allowed = ALLOWED[what] ?? ALLOWED[name] ?? ALLOWED_COUNT;
    return { name, curve: spark(points.map(({ value }) => value)), ...trendOf(used, allowed) };
  });
}

function summary(sample: Sample): string {
  const rss = [...sample].filter(([name]) => name.endsWith(' rss MiB') && !name.includes('worker'));
  return `${rss.map(([name, value]) => `${name.split(' ')[0]} ${Math.round(value)} MiB`).join(', ')}, ${sample.get('redis keys')} keys`;
}

const clock = (ms: number) => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1_000) % 60).padStart(2, '0')}`;
