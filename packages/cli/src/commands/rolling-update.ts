import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '@meridian/cluster';
import { MeridianError, type NodeId, type NodeRecord } from '@meridian/protocol';
import type { Command } from 'commander';
import { lookAtCluster } from '../cluster-command.ts';
import { EXIT, type Io } from '../io.ts';
import { newAskerId } from '../relays.ts';
import { duration } from '../render/format.ts';
import { localDataFolder, localState } from '../target.ts';
import { askDrain, durationOption, watchDrain } from './drain.ts';

interface RollingOptions {
  readonly data: string;
  readonly deadline: number;
}

const LOOK_EVERY_MS = 200;
/** For a process to end and to be there again, milliseconds. */
const BACK_WITHIN_MS = 60_000;

export function registerRollingUpdate(program: Command, io: Io): void {
  program
    .command('rolling-update')
    .description('restart the nodes of the local cluster (./scripts/up) one after the other, without cutting a call')
    .option('--deadline <time>', 'who has not moved by then is told to join again', durationOption, 60_000)
    .option('--data <folder>', 'data folder of the local cluster', localDataFolder)
    .action(async (options: RollingOptions) => {
      await localState(options.data, 'no local cluster runs here; start one with ./scripts/up');
      await lookAtCluster({ ...io, env: {} }, options, async (cluster) => {
        const records = (await cluster.registry.list()).map(({ record }) => record);
        if (records.length < 2) {
          throw new MeridianError('no-healthy-node', { message: 'with one node alone nobody could move anywhere' });
        }
        const startedMs = performance.now();
        let moved = 0;
        let told = 0;
        for (const record of records.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))) {
          const drained = await updateNode(io, options, cluster, record);
          moved += drained.moved;
          told += drained.told;
        }
        const took = duration(performance.now() - startedMs);
        io.out(`${records.length} nodes were restarted in ${took}; ${moved} moved, ${told} were told to join again`);
        if (told > 0) io.exit(EXIT.failed);
      });
    });
}

/** Drains a node, ends its process, and waits until a new one takes sessions. */
async function updateNode(
  io: Io,
  { data, deadline }: RollingOptions,
  cluster: Cluster,
  { nodeId, incarnation }: NodeRecord,
): Promise<{ moved: number; told: number }> {
  const inbox = await cluster.inbox(newAskerId(randomUUID));
  try {
    const first = await askDrain(inbox, nodeId, { action: 'start', deadlineMs: deadline });
    const last = await watchDrain(io, { json: false }, { inbox, nodeId, first });
    const pid = (await localState(data, 'the local cluster has ended')).nodes[nodeId];
    if (pid === undefined)
      throw new MeridianError('node-unknown', { message: `${nodeId} is no node of this launcher` });
    process.kill(pid, 'SIGTERM');
    await isBack(cluster, nodeId, incarnation);
    io.out(`${nodeId}: restarted`);
    return { moved: last?.drain?.moved ?? 0, told: last?.drain?.told ?? 0 };
  } finally {
    await inbox.close();
  }
}

/** @throws MeridianError `deadline-exceeded` */
async function isBack(cluster: Cluster, nodeId: NodeId, former: string): Promise<void> {
  const untilMs = performance.now() + BACK_WITHIN_MS;
  for (;;) {
    const record = (await cluster.registry.list()).find((one) => one.record.nodeId === nodeId)?.record;
    if (record !== undefined && record.incarnation !== former && record.state === 'ready') return;
    if (performance.now() > untilMs) {
      throw new MeridianError('deadline-exceeded', {
        message: `${nodeId} was not there again within ${duration(BACK_WITHIN_MS)}; the rest was left as it is`,
      });
    }
    await sleep(LOOK_EVERY_MS);
  }
}
