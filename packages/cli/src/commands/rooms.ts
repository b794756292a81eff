import type { Command } from 'commander';
import { type ClusterOptions, lookAtCluster, print, withClusterOptions } from '../cluster-command.ts';
import type { Io } from '../io.ts';
import { roomTable } from '../render/rooms.ts';
import { slugsOf } from '../room-names.ts';

export function registerRooms(program: Command, io: Io): void {
  withClusterOptions(program.command('rooms').description('list the rooms that have participants now')).action(
    async (options: ClusterOptions) => {
      await lookAtCluster(io, options, async (cluster) => {
        const active = await cluster.rooms.listActive();
        const slugs = await slugsOf(
          cluster.names,
          active.map(({ roomId }) => roomId),
        );
        const rooms = active
          .map(({ roomId, participants, nodes }) => ({
            roomId,
            slug: slugs.get(roomId) ?? null,
            participants,
            nodes: [...nodes].sort(),
          }))
          .sort((a, b) => b.participants - a.participants || (a.roomId < b.roomId ? -1 : 1));
        print(io, options, { rooms }, () => roomTable(rooms));
      });
    },
  );
}
