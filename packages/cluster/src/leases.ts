import type { Epoch, NodeId, Region, RoomId, SessionId, SessionLease, UserId } from '@meridian/protocol';
import { MeridianError } from '@meridian/protocol';
import { type HostedRooms, INDEX_TTL_MS, type NodeTerms } from './hosted-rooms.ts';
import type { Keys } from './keys.ts';
import type { SessionLeases } from './ports.ts';
import { encode, REPLIES, type RecordReader } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

/** How long leases of a node without an announcement live, milliseconds. */
const UNANNOUNCED_MS = 5_000;

export interface SessionLeasesOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly hosted: HostedRooms;
  readonly terms: NodeTerms;
  /** Sessions that attached since the last heartbeat: their reservations are given back with it. */
  readonly attached: AttachedSessions;
}

/** Sessions that attached to a node; its next heartbeat gives their reservations back. */
export class AttachedSessions {
  readonly #nodes = new Map<NodeId, Set<SessionId>>();

  add(nodeId: NodeId, sessionId: SessionId): void {
    const sessions = this.#nodes.get(nodeId) ?? new Set();
    this.#nodes.set(nodeId, sessions);
    sessions.add(sessionId);
  }

  /** Call `told` once the heartbeat got through. */
  take(nodeId: NodeId): { sessionIds: SessionId[]; told: () => void } {
    const sessions = this.#nodes.get(nodeId);
    const sessionIds = [...(sessions ?? [])];
    return {
      sessionIds,
      told: () => {
        for (const sessionId of sessionIds) sessions?.delete(sessionId);
      },
    };
  }

  forget(nodeId: NodeId): void {
    this.#nodes.delete(nodeId);
  }
}

export class RedisSessionLeases implements SessionLeases {
  readonly #options: SessionLeasesOptions;

  constructor(options: SessionLeasesOptions) {
    this.#options = options;
  }

  async attach(session: {
    sessionId: SessionId;
    userId: UserId;
    name: string;
    nodeId: NodeId;
    region: Region;
    roomHint?: RoomId | undefined;
  }): Promise<SessionLease> {
    const { connection, keys, records, hosted, terms, attached } = this.#options;
    terms.assertNotLost(session.nodeId);
    const { roomHint, ...lease } = session;
    const { sessions, rooms } = keys.node(session.nodeId);
    const reply = await connection.run(
      SCRIPTS.leases.attach,
      [sessions, rooms],
      [encode(lease), terms.leaseMsOf(session.nodeId) ?? UNANNOUNCED_MS, INDEX_TTL_MS, roomHint ?? ''],
    );
    const [json, score] = REPLIES.attach.parse(reply);
    if (roomHint !== undefined) hosted.indexed(session.nodeId, roomHint, score);
    attached.add(session.nodeId, session.sessionId);
    const written = records.lease(json);
    if (written === undefined) throw new MeridianError('internal', { message: 'the lease cannot be read back' });
    return written;
  }

  async find(nodeId: NodeId, sessionId: SessionId): Promise<SessionLease | undefined> {
    const { connection, keys, records } = this.#options;
    const { sessions } = keys.node(nodeId);
    const json = await connection.send('leases.find', (client) => client.hget(sessions, sessionId));
    return json === null ? undefined : records.lease(json);
  }

  async end(nodeId: NodeId, sessionId: SessionId, epoch: Epoch): Promise<boolean> {
    const { connection, keys } = this.#options;
    const reply = await connection.run(SCRIPTS.leases.end, [keys.node(nodeId).sessions], [sessionId, epoch]);
    return REPLIES.flag.parse(reply);
  }

  async restore(leases: readonly SessionLease[]): Promise<void> {
    const { connection, keys, terms } = this.#options;
    for (const [nodeId, own] of Map.groupBy(leases, (lease) => lease.nodeId)) {
      const pairs = own.flatMap((lease) => [lease.sessionId, encode(lease)]);
      const ttlMs = terms.leaseMsOf(nodeId) ?? UNANNOUNCED_MS;
      await connection.run(SCRIPTS.leases.restore, [keys.node(nodeId).sessions], [ttlMs, ...pairs]);
    }
  }
}
