import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import { NodeId, type NodeRecord, Region } from '@meridian/protocol';
import { Redis } from 'ioredis';
import { createRoom } from '../light/api.ts';
import { LightParticipant } from '../light/signalling-client.ts';
import { LocalCluster } from '../local-cluster/index.ts';
import { LOCAL_REGIONS } from '../local-cluster/regions.ts';
import type { BenchResult } from './result.ts';

/** Commands that clients (not scripts) sent to Redis, as MONITOR tells them. */
interface Seen {
  readonly name: string;
  readonly args: readonly string[];
}

const PARTICIPANTS = [2, 10, 50];
const NODES = [1, 5, 20];

/**
 * Redis commands that one join costs, counted at Redis itself by MONITOR: those that name the session
 * or the room. Heartbeats and the registry's refresh go on by time, not by joins; they name neither
 * (a heartbeat that reports attached sessions is told by the node record that it carries).
 */
export async function run(): Promise<BenchResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-bench-'));
  const region = LOCAL_REGIONS[0];
  if (region === undefined) throw new Error('no region');
  const cluster = await LocalCluster.start({
    dataDir,
    regions: [region],
    nodeEnv: { MERIDIAN_MAX_SESSIONS: '1000' },
  });
  const lines: string[] = [];
  const figures: Record<string, number> = {};
  try {
    const counter = new Redis(cluster.redis.url);
    const monitor = await counter.monitor();
    let seen: Seen[] = [];
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (source !== 'lua') seen.push({ name: args[0] ?? '', args: args.slice(1) });
    });
    /** MONITOR's stream lags: what was sent before the mark has been seen once the mark has. */
    const settle = async () => {
      const mark = `mark-${performance.now()}`;
      await counter.echo(mark);
      await eventually('MONITOR has caught up', () => seen.some((command) => command.args.includes(mark)), {
        everyMs: 1,
      });
    };
    const measure = async (room: string, participants: number): Promise<number[]> => {
      const people: LightParticipant[] = [];
      const counts: number[] = [];
      for (let index = 0; index < participants; index += 1) {
        seen = [];
        const person = await LightParticipant.join({
          url: cluster.url,
          room,
          name: `P${index}`,
          region: region.region,
        });
        people.push(person);
        await settle();
        const names = [person.joined.self.sessionId, `{r:${person.joined.roomId}}`];
        counts.push(
          seen.filter(
            (command) =>
              !command.args.some((arg) => arg.includes('"incarnation"')) &&
              command.args.some((arg) => names.some((name) => arg.includes(name))),
          ).length,
        );
      }
      for (const person of people) await person.leave();
      return counts;
    };
    // The first use of a script after Redis's start loads it.
    await measure(await createRoom(cluster.url), 2);
    for (const participants of PARTICIPANTS) {
      const counts = await measure(await createRoom(cluster.url, { capacity: 200 }), participants);
      record(`${participants} participants, 1 node`, `redis_commands_${participants}_participants`, counts);
    }
    const phantoms = await openCluster({ url: cluster.redis.url, keyPrefix: cluster.redisPrefix });
    const announced = [];
    for (const nodes of NODES.slice(1)) {
      while (announced.length < nodes - 1) {
        announced.push(await phantoms.announce(phantomNode(announced.length)));
      }
      const counts = await measure(await createRoom(cluster.url, { capacity: 200 }), 10);
      record(`10 participants, ${nodes} nodes`, `redis_commands_${nodes}_nodes`, counts);
    }
    for (const one of announced) await one.withdraw();
    await phantoms.close();
    monitor.disconnect();
    counter.disconnect();
  } finally {
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  return { name: 'Redis commands per join (goal <= 6, flat)', lines, figures };

  function record(what: string, figure: string, counts: number[]): void {
    const mean = counts.reduce((sum, one) => sum + one, 0) / counts.length;
    figures[figure] = mean;
    lines.push(`${what.padEnd(28)} mean ${mean.toFixed(2)}, most ${Math.max(...counts)}, least ${Math.min(...counts)}`);
  }
}

function phantomNode(index: number): NodeRecord {
  return {
    nodeId: NodeId.parse(`phantom-${index}`),
    incarnation: `phantom-incarnation-${index}`,
    region: Region.parse('phantom'),
    regionName: 'Nowhere',
    coordinates: { latitude: 0, longitude: 0 },
    wsUrl: 'ws://localhost:1/ws',
    probeUrl: 'http://localhost:1/probe',
    version: '0.1.0',
    state: 'ready',
    load: { sessions: 0, maxSessions: 100, consumers: 0, workers: 1, rooms: 0, workerCpu: 0 },
    startedAtMs: 0,
  };
}
