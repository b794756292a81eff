import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { type ClusterOptions, lookAtCluster, print, withClusterOptions } from '../cluster-command.ts';
import { EXIT, type Io } from '../io.ts';
import { askForRelays, newAskerId } from '../relays.ts';
import { relayTable, unansweredLines } from '../render/relays.ts';
import { slugsOf } from '../room-names.ts';

export function registerRelays(program: Command, io: Io): void {
  withClusterOptions(program.command('relays').description('list the relay links between the nodes')).action(
    async (options: ClusterOptions) => {
      await lookAtCluster(io, options, async (cluster) => {
        const nodeIds = (await cluster.registry.list()).map(({ record }) => record.nodeId);
        const { links, unanswered } = await askForRelays(cluster, { askerId: newAskerId(randomUUID), nodeIds });
        const slugs = await slugsOf(
          cluster.names,
          links.map(({ roomId }) => roomId),
        );
        const relays = links.map((link) => ({ ...link, slug: slugs.get(link.roomId) ?? null }));
        print(io, options, { relays, unanswered }, () =>
          relayTable(links, { nowMs: io.now(), nameOf: (roomId) => slugs.get(roomId) }),
        );
        for (const line of unansweredLines(unanswered)) io.err(line);
        if (unanswered.length > 0) io.exit(EXIT.failed);
      });
    },
  );
}
