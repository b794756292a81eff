import { randomUUID } from 'node:crypto';
import { NodeId, Region } from '@meridian/protocol';
import { openCluster } from '../../src/index.ts';

/** Opens everything there is and closes it: the process then ends by itself, or something was left open. */
const [url = '', keyPrefix = ''] = process.argv.slice(2);
const cluster = await openCluster({ url, keyPrefix });
const nodeId = NodeId.parse('node-a');
await cluster.announce({
  nodeId,
  incarnation: randomUUID(),
  region: Region.parse('eu-west'),
  regionName: 'Amsterdam',
  coordinates: { latitude: 0, longitude: 0 },
  wsUrl: 'ws://localhost/ws',
  probeUrl: 'http://localhost/probe',
  version: '0.1.0',
  state: 'ready',
  load: { sessions: 0, maxSessions: 1, consumers: 0, workers: 1, rooms: 0, workerCpu: 0 },
  startedAtMs: 0,
});
const inbox = await cluster.inbox(nodeId);
inbox.handle('ping', async () => ({ nodeId, timeMs: 0 }));
await inbox.request(nodeId, 'ping', {});
cluster.sweeper();
await cluster.registry.list();
const controller = new AbortController();
const draining = cluster.chat.drain(async () => {}, { consumer: 'test', signal: controller.signal });
await cluster.locks.withLock('x', { ttlMs: 1_000 }, async () => {});
controller.abort();
await draining;
await cluster.close();
await cluster.close();
