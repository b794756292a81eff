import {
  Epoch,
  LinkId,
  NodeId,
  type NodeRecord,
  type Participant,
  ProducerId,
  type ProducerInfo,
  Region,
  RoomId,
  SessionId,
  UserId,
} from '@meridian/protocol';
import type { RelayHalf } from '../src/relays.ts';

export const NOW = 1_750_000_000_000;

export const node = (id: string) => NodeId.parse(id);
export const roomIdOf = (id: string) => RoomId.parse(id);

export function aNodeRecord(id: string, change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId: node(id),
    incarnation: 'incarnation-1',
    region: Region.parse('eu-west'),
    regionName: 'Amsterdam',
    coordinates: { latitude: 52.37, longitude: 4.89 },
    wsUrl: `ws://${id}.example/ws`,
    probeUrl: `http://${id}.example/probe`,
    version: '0.1.0',
    state: 'ready',
    load: { sessions: 3, maxSessions: 200, consumers: 12, workers: 2, rooms: 1, workerCpu: 0.256 },
    startedAtMs: NOW - 7_500_000,
    ...change,
  };
}

export function aParticipant(name: string, change: Partial<Participant> = {}): Participant {
  return {
    sessionId: SessionId.parse(`s-${name.toLowerCase()}`),
    userId: UserId.parse(`u-${name.toLowerCase()}`),
    name,
    nodeId: node('eu-1'),
    region: Region.parse('eu-west'),
    epoch: Epoch.parse(1),
    joinedAtMs: NOW - 65_000,
    connection: 'connected',
    ...change,
  };
}

export function aProducer(of: Participant, change: Partial<ProducerInfo> = {}): ProducerInfo {
  return {
    producerId: ProducerId.parse(`p-${of.name.toLowerCase()}`),
    sessionId: of.sessionId,
    nodeId: of.nodeId,
    kind: 'video',
    source: 'camera',
    paused: false,
    ...change,
  };
}

/** A half of a link from `origin` to `puller` as the one in `role` tells it. */
export function aHalf(
  role: RelayHalf['role'],
  { origin, puller, ...change }: { origin: string; puller: string } & Partial<RelayHalf>,
): RelayHalf {
  return {
    linkId: LinkId.parse('link-1'),
    roomId: roomIdOf('room-1'),
    remoteNodeId: node(role === 'origin' ? puller : origin),
    role,
    producers: 2,
    dataProducers: 1,
    rttMs: role === 'puller' ? 181.25 : 180,
    jitterMs: role === 'puller' ? 1.5 : null,
    lossFraction: role === 'puller' ? 0.00125 : null,
    bytesSent: role === 'origin' ? 5_000_000 : 20_000,
    bytesReceived: role === 'origin' ? 20_000 : 4_999_000,
    openedAtMs: NOW - 90_000,
    ...change,
  };
}
