import { readdirSync, readFileSync } from 'node:fs';
import type { LocalCluster, ServiceChild } from '../local-cluster/index.ts';
import type { RawRedis } from '../redis/raw-redis.ts';

/** Figures by name, such as `ams-1 rss MiB`. */
export type Sample = ReadonlyMap<string, number>;

/** Gauges of a node that have to be back at zero when nobody is there any more. */
export const HELD = [
  'rooms',
  'sessions',
  'participants',
  'connections',
  'producers',
  'consumers',
  'transports',
  'chores',
  'relay_links',
] as const;

const MIB = 1_048_576;

/** One look at everything that could grow. What cannot be read just now (a process that starts) is left out. */
export async function sampleOf(cluster: LocalCluster, raw: RawRedis): Promise<Sample> {
  const sample = new Map<string, number>();
  const services: { child: ServiceChild; url: string; isNode: boolean }[] = [
    { child: cluster.sessionApi, url: cluster.url, isNode: false },
    ...[...cluster.nodes.values()].map(({ child, url }) => ({ child, url, isNode: true })),
  ];
  await Promise.all(
    services.map(async ({ child, url, isNode }) => {
      const metrics = await metricsOf(url).catch(() => undefined);
      if (metrics === undefined || !child.running) return;
      // A process that was started anew is another one.
      const put = (what: string, value: number | undefined) => {
        if (value !== undefined) sample.set(`${child.name} ${what}`, value);
      };
      put('pid', child.pid);
      put('rss MiB', rssOf(child.pid));
      put('heap MiB', scaled(metrics.get('meridian_nodejs_heap_size_used_bytes'), MIB));
      put('fds', countIn(`/proc/${child.pid}/fd`));
      put('handles', metrics.get('meridian_nodejs_active_handles_total'));
      if (!isNode) return;
      const workers = childrenOf(child.pid);
      put('worker pid', workers[0]);
      put(
        'worker rss MiB',
        workers.reduce((sum, pid) => sum + (rssOf(pid) ?? 0), 0),
      );
      for (const name of HELD) put(name, metrics.get(`meridian_${name}`) ?? 0);
    }),
  );
  const info = String(await raw.send('INFO', 'memory'));
  sample.set('redis keys', Number(await raw.send('DBSIZE')));
  sample.set('redis MiB', Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0) / MIB);
  return sample;
}

/** Sums over the labels of each metric. */
async function metricsOf(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(2_000) });
  const metrics = new Map<string, number>();
  for (const [, name = '', value] of (await response.text()).matchAll(/^([a-z_]+)(?:\{[^}]*\})? (\S+)$/gm)) {
    metrics.set(name, (metrics.get(name) ?? 0) + Number(value));
  }
  return metrics;
}

/** Child processes: of a node, its mediasoup workers. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function rssOf(pid: number): number | undefined {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
  } catch {
    return undefined;
  }
}

function countIn(folder: string): number | undefined {
  try {
    return readdirSync(folder).length;
  } catch {
    return undefined;
  }
}

const scaled = (value: number | undefined, by: number) => (value === undefined ? undefined : value / by);
