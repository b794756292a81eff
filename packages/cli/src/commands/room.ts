import { randomUUID } from 'node:crypto';
import type { RoomSnapshot, SessionId } from '@meridian/protocol';
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
      const snapshot = inOrder(await cluster.rooms.snapshot(roomId));
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

/** Who came first stands first, in every list. */
function inOrder(snapshot: RoomSnapshot): RoomSnapshot {
  const participants = [...snapshot.participants].sort(
    (a, b) => a.joinedAtMs - b.joinedAtMs || (a.sessionId < b.sessionId ? -1 : 1),
  );
  const rank = new Map(participants.map(({ sessionId }, index) => [sessionId, index]));
  const rankOf = (sessionId: SessionId) => rank.get(sessionId) ?? participants.length;
  const byRank = (a: { sessionId: SessionId }, b: { sessionId: SessionId }) =>
    rankOf(a.sessionId) - rankOf(b.sessionId);
  return {
    ...snapshot,
    participants,
    producers: [...snapshot.producers].sort((a, b) => byRank(a, b) || (a.producerId < b.producerId ? -1 : 1)),
    dataProducers: [...snapshot.dataProducers].sort(
      (a, b) => byRank(a, b) || (a.dataProducerId < b.dataProducerId ? -1 : 1),
    ),
  };
}
