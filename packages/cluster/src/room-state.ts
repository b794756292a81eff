import {
  type DataProducerId,
  type DataProducerInfo,
  type DuplicatePolicy,
  type EndReason,
  type Epoch,
  MeridianError,
  type NodeId,
  type Participant,
  type ProducerId,
  type ProducerInfo,
  type RoomId,
  type RoomSnapshot,
  type SessionId,
  type SessionLease,
  type UserId,
} from '@meridian/protocol';
import type { z } from 'zod';
import type { HostedRooms, NodeTerms } from './hosted-rooms.ts';
import { type Keys, roomKeyList, roomOfNodesKey } from './keys.ts';
import type { Admission, Confirmation, Expelled, RoomState } from './ports.ts';
import { encode, REPLIES, type RecordReader } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import type { Script } from './redis/script.ts';
import type { RoomRevisions } from './room-revisions.ts';
import { SCRIPTS } from './scripts.ts';

/** How long the mark of an ended room stands unless told otherwise, milliseconds: no room is closed off for ever by a key. */
const ENDED_MS = 24 * 3_600_000;
const SCAN_COUNT = 1_000;
/** Rooms asked about at once. */
const BATCH = 32;

export interface RoomStateOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly hosted: HostedRooms;
  readonly terms: NodeTerms;
  readonly revisions: RoomRevisions;
  /** How long a place is kept, milliseconds. */
  readonly placeMs: number;
}

export class RedisRoomState implements RoomState {
  readonly #options: RoomStateOptions;

  constructor(options: RoomStateOptions) {
    this.#options = options;
  }

  async admit(request: {
    roomId: RoomId;
    lease: SessionLease;
    capacity: number;
    duplicates: DuplicatePolicy;
    visitor?: boolean;
  }): Promise<Admission> {
    const { placeMs, keys } = this.#options;
    const reply = await this.#run(
      SCRIPTS.rooms.admit,
      REPLIES.admit,
      request.roomId,
      [encode(request.lease), request.capacity, request.duplicates, placeMs, request.visitor === true ? '1' : '0'],
      [keys.expelled(request.roomId)],
    );
    switch (reply[0]) {
      case 'admitted':
        return { admitted: true, expiresInMs: reply[1] };
      case 'expelled':
        return { admitted: false, reason: 'expelled', retryAfterMs: reply[1] };
      default:
        return { admitted: false, reason: reply[0] };
    }
  }

  async expel(request: { roomId: RoomId; who: Expelled; reason: EndReason; forMs: number }): Promise<number> {
    const { roomId, who, reason, forMs } = request;
    return this.#run(
      SCRIPTS.rooms.expel,
      REPLIES.count,
      roomId,
      [...whom(who), reason, Math.ceil(forMs)],
      [this.#options.keys.expelled(roomId)],
    );
  }

  async readmit(
    roomId: RoomId,
    who: { readonly userId: UserId; readonly invitedAtMs?: number } | 'visitors',
  ): Promise<void> {
    const args = who === 'visitors' ? ['', ''] : [who.userId, who.invitedAtMs ?? ''];
    await this.#run(SCRIPTS.rooms.readmit, REPLIES.flag, roomId, args, [this.#options.keys.expelled(roomId)]);
  }

  async confirm(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    tokenId: string;
    tokenTtlMs: number;
    nodeId: NodeId;
    handover?: boolean;
  }): Promise<Confirmation> {
    const { hosted, terms, keys, records, revisions } = this.#options;
    const { roomId, sessionId, epoch, nodeId } = request;
    terms.assertNotLost(nodeId);
    const release = await hosted.use(nodeId, roomId);
    try {
      const term = terms.of(nodeId);
      const reply = await this.#run(
        SCRIPTS.rooms.confirm,
        REPLIES.confirm,
        roomId,
        [
          sessionId,
          epoch,
          nodeId,
          Math.max(1, Math.ceil(request.tokenTtlMs)),
          term,
          request.handover === true ? '1' : '0',
        ],
        [keys.burntToken(roomId, request.tokenId)],
      );
      if (reply[0] !== 'confirmed') return { confirmed: false, reason: reply[0] };
      const [, before, newcomer, raw] = reply;
      revisions.entered(nodeId, roomId, before, newcomer === 1);
      if (terms.isLost(nodeId)) {
        await this.leave({ roomId, sessionId, epoch, reason: 'node-lost', nodeId });
        terms.assertNotLost(nodeId);
      }
      let snapshot = records.snapshot(roomId, raw);
      const self = snapshot.participants.find((participant) => participant.sessionId === sessionId);
      if (self === undefined) throw new MeridianError('internal', { message: 'the participant cannot be read back' });
      if (terms.of(nodeId) !== term) {
        // The node's entry stood anew while the answer was under way: what was written carries the former term.
        snapshot = await this.restore(roomId, nodeId, { participants: [self], producers: [], dataProducers: [] });
      }
      return { confirmed: true, self, snapshot };
    } finally {
      release();
    }
  }

  async leave(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    reason: EndReason;
    nodeId?: NodeId;
  }): Promise<boolean> {
    const { roomId, sessionId, epoch, reason } = request;
    const args = [sessionId, epoch, reason, request.nodeId ?? ''];
    const reply = await this.#run(SCRIPTS.rooms.leave, REPLIES.leave, roomId, args);
    if (reply[0] === 0) return false;
    const [, nodeId, gone, revision] = reply;
    if (gone === 1) {
      this.#options.hosted.left(nodeId, roomId);
      this.#options.revisions.left(nodeId, roomId, revision);
    }
    return true;
  }

  setConnection(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    connection: Participant['connection'];
    nodeId?: NodeId;
  }): Promise<boolean> {
    const { roomId, sessionId, epoch, connection } = request;
    const args = [sessionId, epoch, connection, request.nodeId ?? ''];
    return this.#run(SCRIPTS.rooms.setConnection, REPLIES.flag, roomId, args);
  }

  openProducer(roomId: RoomId, epoch: Epoch, producer: ProducerInfo): Promise<boolean> {
    return this.#open(roomId, epoch, 'producer', producer.producerId, producer);
  }

  openDataProducer(roomId: RoomId, epoch: Epoch, dataProducer: DataProducerInfo): Promise<boolean> {
    return this.#open(roomId, epoch, 'data', dataProducer.dataProducerId, dataProducer);
  }

  setProducerPaused(roomId: RoomId, producerId: ProducerId, paused: boolean): Promise<boolean> {
    return this.#run(SCRIPTS.rooms.pauseProducer, REPLIES.flag, roomId, [producerId, paused ? '1' : '0']);
  }

  closeProducer(roomId: RoomId, producerId: ProducerId): Promise<boolean> {
    return this.#run(SCRIPTS.rooms.closeProducer, REPLIES.flag, roomId, ['producer', producerId]);
  }

  closeDataProducer(roomId: RoomId, dataProducerId: DataProducerId): Promise<boolean> {
    return this.#run(SCRIPTS.rooms.closeProducer, REPLIES.flag, roomId, ['data', dataProducerId]);
  }

  async snapshot(roomId: RoomId): Promise<RoomSnapshot> {
    return this.#options.records.snapshot(
      roomId,
      await this.#run(SCRIPTS.rooms.snapshot, REPLIES.snapshot, roomId, []),
    );
  }

  async nodesOf(roomId: RoomId): Promise<NodeId[]> {
    const { connection, keys, records } = this.#options;
    const { nodes } = keys.room(roomId);
    return records.nodeIds(await connection.send('rooms.nodes', (client) => client.hkeys(nodes)));
  }

  async listActive(): Promise<{ roomId: RoomId; participants: number; nodes: NodeId[] }[]> {
    const { records } = this.#options;
    const roomIds = [...(await this.#scanRooms())];
    const found: { roomId: RoomId; participants: number; nodes: NodeId[] }[] = [];
    for (let i = 0; i < roomIds.length; i += BATCH) {
      const batch = roomIds.slice(i, i + BATCH).map(async (roomId) => {
        const [participants, nodes] = await this.#run(SCRIPTS.rooms.active, REPLIES.active, roomId, []);
        return { roomId, participants, nodes: records.nodeIds(nodes) };
      });
      found.push(...(await Promise.all(batch)).filter((room) => room.participants > 0));
    }
    return found.sort((a, b) => (a.roomId < b.roomId ? -1 : 1));
  }

  async end(roomId: RoomId, { closedForMs = ENDED_MS }: { closedForMs?: number } = {}): Promise<void> {
    await this.#run(SCRIPTS.rooms.end, REPLIES.flag, roomId, [closedForMs]);
  }

  async reopen(roomId: RoomId): Promise<void> {
    const { connection, keys } = this.#options;
    await connection.send('rooms.reopen', (client) => client.del(keys.room(roomId).ended));
  }

  async restore(
    roomId: RoomId,
    nodeId: NodeId,
    own: { participants: Participant[]; producers: ProducerInfo[]; dataProducers: DataProducerInfo[] },
  ): Promise<RoomSnapshot> {
    const { hosted, terms, records, revisions } = this.#options;
    const release = await hosted.use(nodeId, roomId);
    try {
      for (;;) {
        const term = terms.of(nodeId);
        const [before, raw] = await this.#run(
          SCRIPTS.rooms.restore,
          REPLIES.restore,
          roomId,
          [nodeId, term, encode(own.participants), encode(own.producers), encode(own.dataProducers)],
          [this.#options.keys.expelled(roomId)],
        );
        revisions.entered(nodeId, roomId, before, false);
        if (terms.of(nodeId) === term) return records.snapshot(roomId, raw);
      }
    } finally {
      release();
    }
  }

  /** Removes what a node's dead term left in a room. Returns how many participants that were. */
  async purge(roomId: RoomId, nodeId: NodeId, term: number, reason: EndReason): Promise<number> {
    return this.#run(SCRIPTS.rooms.purge, REPLIES.count, roomId, [nodeId, term, reason]);
  }

  async #open(
    roomId: RoomId,
    epoch: Epoch,
    kind: 'producer' | 'data',
    id: string,
    published: ProducerInfo | DataProducerInfo,
  ): Promise<boolean> {
    const { terms } = this.#options;
    for (;;) {
      const term = terms.of(published.nodeId);
      const stored = encode({ ...published, term, epoch });
      const opened = await this.#run(SCRIPTS.rooms.openProducer, REPLIES.flag, roomId, [kind, epoch, id, stored]);
      if (!opened || terms.of(published.nodeId) === term) return opened;
    }
  }

  async #run<S extends z.ZodType>(
    script: Script,
    reply: S,
    roomId: RoomId,
    args: readonly (string | number)[],
    moreKeys: readonly string[] = [],
  ): Promise<z.output<S>> {
    const { connection, keys } = this.#options;
    const answer = await connection.run(
      script,
      [...roomKeyList(keys.room(roomId)), ...moreKeys],
      [roomId, keys.channels, ...args],
    );
    return reply.parse(answer);
  }

  /** Looks through the names of all keys: for operators, not for the path of a join. */
  async #scanRooms(): Promise<Set<RoomId>> {
    const { connection, keys, records } = this.#options;
    const found = new Set<string>();
    for (const master of connection.masters()) {
      let cursor = '0';
      do {
        const [next, names] = await connection.send('rooms.scan', () =>
          master.scan(cursor, 'MATCH', keys.activeRooms, 'COUNT', SCAN_COUNT),
        );
        for (const name of names) {
          const roomId = roomOfNodesKey(keys.prefix, name);
          if (roomId !== undefined) found.add(roomId);
        }
        cursor = next;
      } while (cursor !== '0');
    }
    return new Set(records.roomIds([...found]));
  }
}

/** Kind, user, and who stays, as the script takes them. */
function whom(who: Expelled): string[] {
  if ('userId' in who) return ['user', who.userId, '[]'];
  if ('formerMember' in who) return ['member', who.formerMember, '[]'];
  return ['visitors', '', encode(who.allBut)];
}
