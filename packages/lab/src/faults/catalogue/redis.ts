import { eventually } from '@meridian/harness';
import { type Call, nowMs } from '../call.ts';
import { type Check, check, type Fault, type StrikeOptions, type Struck } from '../fault.ts';
import { joinsAreRefused, newcomer, newcomersGetIn, nodesAnswerTheirPages } from '../newcomer.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Redis does not serve for a while.
 * @param lastsMs how long it is left like that, at least
 */
async function outage(
  call: Call,
  { lastsMs, breakIt, mendIt }: { lastsMs: number; breakIt: () => Promise<unknown>; mendIt: () => Promise<unknown> },
): Promise<Struck> {
  const userToken = await newcomer(call);
  const everybody = ['Anna', 'Binh', 'Chi'];
  const checks: Check[] = [];
  const faultMs = nowMs();
  await breakIt();
  try {
    checks.push(await check('joins are refused with 503 and a time', () => joinsAreRefused(call, userToken)));
    checks.push(await check('nodes answer their pages meanwhile', () => nodesAnswerTheirPages(call, everybody)));
    await pause(Math.max(0, faultMs + lastsMs - nowMs()));
  } finally {
    await mendIt();
  }
  const mendedMs = nowMs();
  checks.push(await check('newcomers get in afterwards', () => newcomersGetIn(call, { withinMs: 40_000 })));
  return { faultMs, mendedMs, victims: [], checks };
}

const lastsMs = ({ quick }: StrikeOptions, usualMs: number): number => (quick ? Math.min(usualMs, 3_000) : usualMs);

const redisRestart: Fault = {
  id: 'redis-restart',
  title: 'Redis is killed and started again empty',
  stage: 'plain',
  media: 'kept',
  strike(call, options) {
    const { redis } = call.stage;
    return outage(call, {
      lastsMs: lastsMs(options, 5_000),
      breakIt: () => redis.kill(),
      mendIt: () => redis.startAgain(),
    });
  },
};

const redisFrozen: Fault = {
  id: 'redis-frozen',
  title: 'Redis is frozen (SIGSTOP) for 20 s',
  stage: 'plain',
  media: 'kept',
  strike(call, options) {
    const { redis } = call.stage;
    return outage(call, {
      lastsMs: lastsMs(options, 20_000),
      breakIt: () => redis.freeze(),
      mendIt: async () => redis.thaw(),
    });
  },
};

const redisRefuses: Fault = {
  id: 'redis-refuses-writes',
  title: 'Redis refuses writes (out of memory) for 10 s',
  stage: 'plain',
  media: 'kept',
  strike(call, options) {
    let accept: () => Promise<void> = async () => {};
    return outage(call, {
      lastsMs: lastsMs(options, 10_000),
      breakIt: async () => {
        accept = await call.stage.redis.refuseWrites('oom');
      },
      mendIt: () => accept(),
    });
  },
};

/** A master is gone for good and a replica takes over: nobody mends anything. */
async function failover(call: Call, kill: () => Promise<void>): Promise<Struck> {
  const faultMs = nowMs();
  await kill();
  const checks = [
    await check('nodes answer their pages meanwhile', () => nodesAnswerTheirPages(call, ['Anna', 'Binh', 'Chi'])),
    await check('newcomers get in afterwards', () => newcomersGetIn(call, { withinMs: 60_000 })),
  ];
  return { faultMs, mendedMs: nowMs(), victims: [], checks };
}

const sentinelFailover: Fault = {
  id: 'sentinel-failover',
  title: 'the master behind a Sentinel is killed',
  stage: 'sentinel',
  media: 'kept',
  strike: (call) => failover(call, async () => (await masterOfSentinel(call)).kill()),
  async restore(call) {
    // The one that was killed comes back as a replica of the one that took over.
    const { sentinel } = call.stage;
    for (const one of [sentinel.master, sentinel.replica]) {
      if (one.process.exitCode !== null || one.process.signalCode !== null) await one.startAgain();
    }
    await eventually(
      'both are in step again',
      async () => {
        const info = await (await masterOfSentinel(call)).call('INFO', 'replication');
        return info.includes('connected_slaves:1') && info.includes('state=online');
      },
      { withinMs: 30_000, everyMs: 100 },
    );
  },
};

async function masterOfSentinel({ stage: { sentinel } }: Call) {
  const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')).split('\n');
  return [sentinel.master, sentinel.replica].find((one) => one.port === Number(port)) ?? sentinel.master;
}

const clusterMaster: Fault = {
  id: 'cluster-master',
  title: "the room's master of a Redis Cluster is killed",
  stage: 'redis-cluster',
  media: 'kept',
  strike: (call) => failover(call, async () => (await masterOfRoom(call)).kill()),
  async restore({ stage: { redisCluster } }) {
    for (const one of [...redisCluster.masters, ...redisCluster.replicas]) {
      if (one.process.exitCode !== null || one.process.signalCode !== null) await one.startAgain();
    }
    await eventually(
      'each master has its replica again',
      async () => {
        for (const one of redisCluster.masters) {
          if (!(await one.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) return false;
        }
        const [any] = redisCluster.masters;
        const nodes = (await any?.call('CLUSTER', 'NODES'))?.split('\n') ?? [];
        return nodes.every((line) => line === '' || !/fail/.test(line));
      },
      { withinMs: 30_000, everyMs: 100 },
    );
  },
};

/** Which of the servers holds the room's keys now. */
async function masterOfRoom({ roomId, stage: { redisCluster } }: Call) {
  const all = [...redisCluster.masters, ...redisCluster.replicas];
  const [any] = all.filter((one) => one.process.exitCode === null && one.process.signalCode === null);
  if (any === undefined) throw new Error('no server of the Redis Cluster runs');
  const slot = Number(await any.call('CLUSTER', 'KEYSLOT', `{r:${roomId}}`));
  for (const line of (await any.call('CLUSTER', 'NODES')).split('\n')) {
    const [, address = '', flags = '', , , , , , ...ranges] = line.split(' ');
    const holds = ranges.some((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return from !== undefined && to !== undefined && from <= slot && slot <= to;
    });
    const port = Number(/:(\d+)@/.exec(address)?.[1]);
    const found = all.find((one) => one.port === port);
    if (flags.includes('master') && holds && found !== undefined) return found;
  }
  throw new Error(`no master holds slot ${slot}`);
}

export const redisFaults: readonly Fault[] = [redisRestart, redisFrozen, redisRefuses, sentinelFailover, clusterMaster];
