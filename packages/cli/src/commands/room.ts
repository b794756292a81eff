import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { type ClusterOptions, lookAtCluster, print, withClusterOptions } from '../cluster-command.ts';
import { EXIT, type Io } from '../io.ts';
import { askForRelays, newAskerId } from '../relays.ts';
import { unansweredLines } from '../render/relays.ts';
import { roomReport } from '../render/rooms.ts';
import { findRoom } from '../room-names.ts';

export function registerRoom(program: Command, io: Io): void {
  const command = program
    .command('room')
    .argument('<slug>', 'the part of its address after /r/, or its id')
    .description('show who and what is in a room, and the relay links that carry it');
  withClusterOptions(command).action(async (name: string, options: ClusterOptions) => {
    await lookAtCluster(io, options, async (cluster) => {
      const { roomId, slug } = await findRoom(cluster, name);
      const snapshot = await cluster.rooms.snapshot(roomId);
      // All live nodes, not only the room's: a link that outlived its room shows up here.
      const nodeIds = (await cluster.registry.list()).map(({ record }) => record.nodeId);
      const report = await askForRelays(cluster, { askerId: newAskerId(randomUUID), nodeIds });
      const links = report.links.filter((link) => link.roomId === roomId);
      const { unanswered } = report;
      print(io, options, { slug, ...snapshot, relays: links, unanswered }, () =>
        roomReport({ slug, snapshot, links }, io.now()),
      );
      for (const line of unansweredLines(unanswered)) io.err(line);
      if (unanswered.length > 0) io.exit(EXIT.failed);
    });
  });
}
