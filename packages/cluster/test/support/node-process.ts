import { randomUUID } from 'node:crypto';
import { NodeId, Region, RoomId, SessionId, UserId } from '@meridian/protocol';
import { openCluster } from '../../src/index.ts';

/** A node in a process of its own, so that a test can kill it. Prints what it holds, then only sends heartbeats. */
const { url, keyPrefix, nodeId, rooms, leaseMs, heartbeatMs } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string;
  keyPrefix: string;
  nodeId: string;
  rooms: number;
  leaseMs: number;
  heartbeatMs: number;
};
const cluster = await openCluster({ url, keyPrefix });
const id = NodeId.parse(nodeId);
const region = Region.parse('eu-west');
await cluster.announce(
  {
    nodeId: id,
    incarnation: randomUUID(),
    region,
    regionName: 'Amsterdam',
    coordinates: { latitude: 52.37, longitude: 4.89 },
    wsUrl: 'ws://localhost/ws',
    probeUrl: 'http://localhost/probe',
    version: '0.1.0',
    state: 'ready',
    load: { sessions: rooms, maxSessions: 100, consumers: 0, workers: 1, rooms, workerCpu: 0 },
    startedAtMs: 0,
  },
  { leaseMs, heartbeatMs },
);
const roomIds = Array.from({ length: rooms }, (_, i) => RoomId.parse(`room-of-${nodeId}-${i}`));
for (const roomId of roomIds) {
  const sessionId = SessionId.parse(randomUUID());
  const lease = await cluster.leases.attach({
    sessionId,
    userId: UserId.parse(randomUUID()),
    name: 'Ada',
    nodeId: id,
    region,
    roomHint: roomId,
  });
  await cluster.rooms.admit({ roomId, lease, capacity: 10, duplicates: 'allow' });
  const { epoch } = lease;
  await cluster.rooms.confirm({ roomId, sessionId, epoch, tokenId: randomUUID(), tokenTtlMs: 1_000, nodeId: id });
}
process.stdout.write(JSON.stringify({ roomIds }));
