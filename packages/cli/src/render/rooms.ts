import type {
  DataProducerInfo,
  NodeId,
  Participant,
  ProducerInfo,
  RoomId,
  RoomSlug,
  RoomSnapshot,
  SessionId,
} from '@meridian/protocol';
import type { RelayLink } from '../relays.ts';
import { count, duration } from './format.ts';
import { relayTable } from './relays.ts';
import { type Column, harmless, table } from './table.ts';

export interface ActiveRoom {
  readonly roomId: RoomId;
  /** null where the name is not known (any more). */
  readonly slug: RoomSlug | null;
  readonly participants: number;
  readonly nodes: readonly NodeId[];
}

const roomColumns: readonly Column<ActiveRoom>[] = [
  { head: 'room', cell: ({ slug }) => slug ?? '?' },
  { head: 'participants', cell: ({ participants }) => participants, align: 'right' },
  { head: 'nodes', cell: ({ nodes }) => nodes.join(', ') },
  { head: 'id', cell: ({ roomId }) => roomId },
];

export function roomTable(rooms: readonly ActiveRoom[]): string {
  if (rooms.length === 0) return 'no rooms: nobody is in a call';
  const people = rooms.reduce((sum, { participants }) => sum + participants, 0);
  return `${table(roomColumns, rooms)}\n\n${count(rooms.length, 'room')}, ${count(people, 'participant')}`;
}

const participantColumns = (nowMs: number): readonly Column<Participant>[] => [
  { head: 'participant', cell: ({ name }) => name },
  { head: 'node', cell: ({ nodeId }) => nodeId },
  { head: 'region', cell: ({ region }) => region },
  { head: 'connection', cell: ({ connection }) => connection },
  { head: 'in for', cell: ({ joinedAtMs }) => duration(nowMs - joinedAtMs), align: 'right' },
  { head: 'user', cell: ({ userId }) => userId },
  { head: 'session', cell: ({ sessionId }) => sessionId },
];

const producerColumns = (nameOf: (sessionId: SessionId) => string): readonly Column<ProducerInfo>[] => [
  { head: 'stream of', cell: ({ sessionId }) => nameOf(sessionId) },
  { head: 'source', cell: ({ source }) => source },
  { head: 'kind', cell: ({ kind }) => kind },
  { head: 'origin', cell: ({ nodeId }) => nodeId },
  { head: 'state', cell: ({ paused }) => (paused ? 'paused' : 'live') },
  { head: 'producer', cell: ({ producerId }) => producerId },
];

const dataColumns = (nameOf: (sessionId: SessionId) => string): readonly Column<DataProducerInfo>[] => [
  { head: 'data of', cell: ({ sessionId }) => nameOf(sessionId) },
  { head: 'label', cell: ({ label }) => label },
  { head: 'origin', cell: ({ nodeId }) => nodeId },
  { head: 'producer', cell: ({ dataProducerId }) => dataProducerId },
];

export interface RoomReport {
  readonly slug: RoomSlug | null;
  readonly snapshot: RoomSnapshot;
  readonly links: readonly RelayLink[];
}

export function roomReport({ slug, snapshot, links }: RoomReport, nowMs: number): string {
  const { participants, producers, dataProducers } = snapshot;
  const names = new Map(participants.map(({ sessionId, name }) => [sessionId, name]));
  const nameOf = (sessionId: SessionId) => names.get(sessionId) ?? sessionId;
  const head = `room ${slug ?? '?'} (${snapshot.roomId}), revision ${snapshot.revision}`;
  const parts = [
    `${harmless(head)}: ${count(participants.length, 'participant')}, ${count(producers.length, 'stream')}`,
    participants.length === 0 ? 'nobody is in it' : table(participantColumns(nowMs), participants),
    ...(producers.length === 0 ? [] : [table(producerColumns(nameOf), producers)]),
    ...(dataProducers.length === 0 ? [] : [table(dataColumns(nameOf), dataProducers)]),
    relayTable(links, { nowMs }),
  ];
  return parts.join('\n\n');
}
