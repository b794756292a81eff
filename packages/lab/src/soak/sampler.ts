import { readdirSync, readFileSync } from 'node:fs';
import type { LocalCluster, ServiceChild } from '../local-cluster/index.ts';
import type { RawRedis } from '../redis/raw-redis.ts';
import type { Heaps } from './inspector.ts';

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

/** Marks of chat lines live so long: the longest of what Redis forgets by itself during a soak, milliseconds. */
export const LONGEST_MARK_MS = 10 * 60_000;

/**
 * One look at everything that could grow. What cannot be read just now (a process that starts) is left out.
 * @param heaps given when the services are to throw away what nobody holds, and then to be measured
 */
export async function sampleOf(cluster: LocalCluster, raw: RawRedis, heaps?: Heaps): Promise<Sample> {
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
      put('fds', countIn(`/proc/${child.pid}/fd`));
      put('handles', metrics.get('meridian_nodejs_active_handles_total'));
      if (heaps !== undefined) {
        const live = await heaps.live(child).catch(() => undefined);
        put('live heap MiB', scaled(live?.objects, MIB));
        put('compiled code MiB', scaled(live?.code, MIB));
        put('settled rss MiB', rssOf(child.pid));
      }
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
  const expiries = await expiriesOf(raw);
  sample.set('redis keys', expiries.length);
  sample.set('redis lasting-keys', expiries.filter((ms) => ms === -1 || ms > LONGEST_MARK_MS).length);
  sample.set('redis MiB', Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0) / MIB);
  return sample;
}

/** Milliseconds until each key expires by itself; -1 for one that does not. */
async function expiriesOf(raw: RawRedis): Promise<number[]> {
  const keys = await raw.keys();
  const expiries = await Promise.all(keys.map(async (key) => Number(await raw.send('PTTL', key))));
  return expiries.filter((ms) => ms !== -2);
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
