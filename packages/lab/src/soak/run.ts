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
import { Heaps, INSPECTED } from './inspector.ts';
import { judge, type Row, type TimedSample } from './judge.ts';
import { childrenOf, HELD, type Sample, sampleOf } from './sampler.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** JSON lines: every sample, then the result. */
  readonly out: string;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  readonly rows: readonly Row[];
  readonly counts: ReadonlyMap<string, number>;
  /** What was not gone when everybody had gone. */
  readonly left: readonly string[];
}

const SAMPLE_MS = 2_000;
/** With one look in so many the services throw away what nobody holds: what is left then is what a leak would add to. */
const SETTLE_EVERY = 15;
/** A worker of the second node dies, and the third node is restarted, that often. */
const WORKER_KILL_MS = 60_000;
const RESTART_MS = 150_000;
/** The first node is drained that often; who is left after this time is told to join again. */
const DRAIN_MS = 200_000;
const DRAINED_WITHIN_MS = 5_000;
/** No process is ended after this share of the time: the last life of each has to be long enough to be judged. */
const LAST_LIFE_SHARE = 0.5;
const PEOPLE = 9;

export async function soak({ minutes, seed, out, say }: SoakOptions): Promise<SoakResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-soak-'));
  await mkdir(dirname(out), { recursive: true });
  const cluster = await LocalCluster.start({
    dataDir,
    nodeEnv: {
      ...INSPECTED,
      MERIDIAN_LOG_LEVEL: 'fatal',
      MERIDIAN_RESUME_WINDOW_MS: '5000',
      MERIDIAN_CONNECTIONS_PER_ADDRESS: '0',
    },
    sessionApiEnv: {
      ...INSPECTED,
      MERIDIAN_LOG_LEVEL: 'fatal',
      MERIDIAN_REQUESTS_PER_MINUTE: '1000000',
      MERIDIAN_GUESTS_PER_MINUTE: '1000000',
    },
  });
  const raw = await RawRedis.open(Number(new URL(cluster.redisUrl).port));
  const heaps = new Heaps();
  const samples: TimedSample[] = [];
  const regions = LOCAL_REGIONS.map(({ region }) => region);
  const rooms = [await createRoom(cluster.url), await createRoom(cluster.url), await createRoom(cluster.url)];
  const churn = new Churn({ url: cluster.url, rooms, regions, people: PEOPLE, seed });
  try {
    const idle = new Map(await sampleOf(cluster, raw));
    churn.start();
    const started = performance.now();
    const endsAt = minutes * 60_000;
    let nextKill = WORKER_KILL_MS;
    let nextRestart = RESTART_MS;
    let nextDrain = DRAIN_MS;
    let draining: Promise<void> = Promise.resolve();
    let restarting: Promise<unknown> = Promise.resolve();
    for (let nowMs = 0; nowMs < endsAt; nowMs = performance.now() - started) {
      const sample = await sampleOf(cluster, raw, samples.length % SETTLE_EVERY === 0 ? heaps : undefined);
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
        restarting = restarting.then(() => restart(cluster, raw, idle));
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
    const rows = judge(samples, endsAt);
    const result = { rows, counts: churn.counts, left };
    await appendFile(out, `${JSON.stringify({ result: { ...result, counts: Object.fromEntries(churn.counts) } })}\n`);
    return result;
  } finally {
    await churn.stop();
    heaps.close();
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

/**
 * The WebRTC clients' library opens its sockets and pipes so that processes started later inherit them: what the new process
 * has when it is ready is none of its doing, and what it may have in the end.
 */
async function restart(cluster: LocalCluster, raw: RawRedis, idle: Map<string, number>): Promise<void> {
  const fds = `${restarted()} fds`;
  await cluster.restartNode(restarted());
  idle.set(fds, (await sampleOf(cluster, raw)).get(fds) ?? 0);
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

function summary(sample: Sample): string {
  const rss = [...sample].filter(([name]) => name.endsWith(' rss MiB') && !name.includes('worker'));
  return `${rss.map(([name, value]) => `${name.split(' ')[0]} ${Math.round(value)} MiB`).join(', ')}, ${sample.get('redis keys')} keys`;
}

const clock = (ms: number) => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1_000) % 60).padStart(2, '0')}`;
