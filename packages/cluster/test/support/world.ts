import { randomUUID } from 'node:crypto';
import {
  DataProducerId,
  type DataProducerInfo,
  type DuplicatePolicy,
  type EndReason,
  Epoch,
  NodeId,
  type NodeRecord,
  ProducerId,
  type ProducerInfo,
  Region,
  type RoomEventEnvelope,
  RoomId,
  SessionId,
  type SessionLease,
  UserId,
} from '@meridian/protocol';
import { onTestFinished } from 'vitest';
import type { AnnounceOptions, Cluster, ClusterLogger, NodeInbox, OpenClusterOptions } from '../../src/index.ts';
import { openCluster } from '../../src/index.ts';
import { keysOf } from '../../src/keys.ts';
import type { Backend } from './backend.ts';

export const nodeA = NodeId.parse('node-a');
export const nodeB = NodeId.parse('node-b');
export const nodeC = NodeId.parse('node-c');
export const roomId = RoomId.parse('room-1');

let counter = 0;
export const newSessionId = () => SessionId.parse(`s${++counter}-${randomUUID().slice(0, 8)}`);
export const newUserId = () => UserId.parse(`u${++counter}-${randomUUID().slice(0, 8)}`);
export const newRoomId = () => RoomId.parse(`r${++counter}-${randomUUID().slice(0, 8)}`);
export const newProducerId = () => ProducerId.parse(randomUUID());
export const newTokenId = () => randomUUID();

export function nodeRecord(nodeId: NodeId, change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId,
    incarnation: randomUUID(),
    region: Region.parse('eu-west'),
    regionName: 'Amsterdam',
    coordinates: { latitude: 52.37, longitude: 4.89 },
    wsUrl: `ws://${nodeId}.example/ws`,
    probeUrl: `http://${nodeId}.example/probe`,
    version: '0.1.0',
    state: 'ready',
    load: { sessions: 0, maxSessions: 100, consumers: 0, workers: 2, rooms: 0, workerCpu: 0.25 },
    startedAtMs: 1_700_000_000_000,
    ...change,
  };
}

/** An announcement that sends no heartbeat by itself in the time of a test: it beats when the test says so. */
export const manual = (leaseMs: number): AnnounceOptions => ({ leaseMs, heartbeatMs: 3_600_000 });

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: object;
}

/** One test's share of a Redis: a key prefix of its own, everything closed when the test is over. */
export class World {
  readonly prefix = `t-${randomUUID().slice(0, 8)}`;
  readonly keys = keysOf(this.prefix);
  readonly backend: Backend;
  readonly log: LogLine[] = [];
  readonly #clusters: Cluster[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
    onTestFinished(() => this.close());
  }

  async open(options: Partial<OpenClusterOptions> = {}): Promise<Cluster> {
    const cluster = await openCluster({
      url: this.backend.url,
      keyPrefix: this.prefix,
      logger: this.logger(),
      ...options,
    });
    this.#clusters.push(cluster);
    return cluster;
  }

  logger(): ClusterLogger {
    const at = (level: LogLine['level']) => (fields: object, message: string) => {
      this.log.push({ level, message, fields });
    };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  async close(): Promise<void> {
    await Promise.all(this.#clusters.map((cluster) => cluster.close()));
  }

  /** All keys of this test. */
  leftovers(): Promise<string[]> {
    return this.backend.keys(this.prefix);
  }
}

export interface Person {
  readonly sessionId: SessionId;
  readonly userId: UserId;
  readonly name: string;
}

export const person = (change: Partial<Person> = {}): Person => ({
  sessionId: newSessionId(),
  userId: newUserId(),
  name: 'Ada',
  ...change,
});

const lastEpochs = new Map<SessionId, Epoch>();

/**
 * Two nodes know of each other's epochs by the clock only: a person who moves needs a millisecond for it, which a test
 * does not always take.
 */
export async function attach(cluster: Cluster, who: Person, nodeId = nodeA, hint?: RoomId): Promise<SessionLease> {
  for (;;) {
    const lease = await cluster.leases.attach({
      ...who,
      nodeId,
      region: Region.parse('eu-west'),
      ...(hint === undefined ? {} : { roomHint: hint }),
    });
    if (lease.epoch <= (lastEpochs.get(who.sessionId) ?? -1)) continue;
    lastEpochs.set(who.sessionId, lease.epoch);
    return lease;
  }
}

export function admit(
  cluster: Cluster,
  lease: SessionLease,
  {
    room = roomId,
    capacity = 100,
    duplicates = 'allow',
  }: { room?: RoomId; capacity?: number; duplicates?: DuplicatePolicy } = {},
) {
  return cluster.rooms.admit({ roomId: room, lease, capacity, duplicates });
}

export function confirm(
  cluster: Cluster,
  lease: SessionLease,
  room = roomId,
  tokenId = newTokenId(),
  tokenTtlMs = 60_000,
) {
  const { sessionId, epoch, nodeId } = lease;
  return cluster.rooms.confirm({ roomId: room, sessionId, epoch, nodeId, tokenId, tokenTtlMs });
}

/** The whole way in. @throws Error when it is refused anywhere */
export async function join(
  cluster: Cluster,
  who: Person = person(),
  nodeId = nodeA,
  room = roomId,
): Promise<SessionLease> {
  const lease = await attach(cluster, who, nodeId, room);
  const admission = await admit(cluster, lease, { room });
  if (!admission.admitted) throw new Error(`not admitted: ${admission.reason}`);
  const confirmation = await confirm(cluster, lease, room);
  if (!confirmation.confirmed) throw new Error(`not confirmed: ${confirmation.reason}`);
  return lease;
}

/** The second half of a move: attached on another node, admitted, confirmed as a handover. */
export async function handOver(cluster: Cluster, who: Person, nodeId: NodeId, room = roomId) {
  const lease = await attach(cluster, who, nodeId, room);
  const admission = await admit(cluster, lease, { room });
  if (!admission.admitted) throw new Error(`not admitted: ${admission.reason}`);
  const { sessionId, epoch } = lease;
  const confirmation = await cluster.rooms.confirm({
    roomId: room,
    sessionId,
    epoch,
    nodeId,
    tokenId: newTokenId(),
    tokenTtlMs: 60_000,
    handover: true,
  });
  return { lease, confirmation };
}

/** As a node says it: of what it has itself. */
export const leaveFrom = (cluster: Cluster, { sessionId, epoch, nodeId }: SessionLease, reason: EndReason) =>
  cluster.rooms.leave({ roomId, sessionId, epoch, reason, nodeId });

export const leave = (cluster: Cluster, lease: SessionLease, room = roomId) =>
  cluster.rooms.leave({ roomId: room, sessionId: lease.sessionId, epoch: lease.epoch, reason: 'left' });

export function audio(lease: SessionLease, change: Partial<ProducerInfo> = {}): ProducerInfo {
  return {
    producerId: newProducerId(),
    sessionId: lease.sessionId,
    nodeId: lease.nodeId,
    kind: 'audio',
    source: 'microphone',
    paused: false,
    ...change,
  };
}

export const dataProducer = (lease: SessionLease): DataProducerInfo => ({
  dataProducerId: DataProducerId.parse(randomUUID()),
  sessionId: lease.sessionId,
  nodeId: lease.nodeId,
  label: 'reactions',
  protocol: '',
});

/** What an inbox hears of rooms, in order. */
export function listen(inbox: NodeInbox): { events: RoomEventEnvelope[]; gaps: (RoomId | undefined)[] } {
  const heard: { events: RoomEventEnvelope[]; gaps: (RoomId | undefined)[] } = { events: [], gaps: [] };
  inbox.onRoomEvent((envelope) => heard.events.push(envelope));
  inbox.onGap((room) => heard.gaps.push(room));
  return heard;
}

export const typesOf = (events: readonly RoomEventEnvelope[]) => events.map(({ event }) => event.type);

/** The lease of a connection before this one. */
export const older = (lease: SessionLease): SessionLease => ({ ...lease, epoch: Epoch.parse(lease.epoch - 1) });
