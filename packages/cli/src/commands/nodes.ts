import type { Command } from 'commander';
import { type ClusterOptions, lookAtCluster, print, withClusterOptions } from '../cluster-command.ts';
import type { Io } from '../io.ts';
import { nodeTable } from '../render/nodes.ts';

export function registerNodes(program: Command, io: Io): void {
  withClusterOptions(program.command('nodes').description('list the live nodes with their load')).action(
    async (options: ClusterOptions) => {
      await lookAtCluster(io, options, async (cluster) => {
        const nodes = (await cluster.registry.list()).sort((a, b) =>
          `${a.record.region} ${a.record.nodeId}`.localeCompare(`${b.record.region} ${b.record.nodeId}`, 'en'),
        );
        print(io, options, { nodes }, () => nodeTable(nodes, io.now()));
      });
    },
  );
}
