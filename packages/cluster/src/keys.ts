import { MeridianError, type NodeId, type RoomId, type RoomSlug } from '@meridian/protocol';

/**
 * Every key and channel of Meridian in Redis (docs/redis-keys.md says what each one holds). Keys that one
 * script changes together share a hash tag, so that they are in one slot of a Redis Cluster.
 */
export type Keys = ReturnType<typeof keysOf>;

export interface RoomKeys {
  readonly participants: string;
  readonly producers: string;
  readonly dataProducers: string;
  readonly nodes: string;
  readonly revision: string;
  readonly places: string;
  readonly ended: string;
}

export interface RegistryKeys {
  readonly index: string;
  readonly terms: string;
  readonly fallen: string;
  readonly reservedUntil: string;
  readonly reservedOn: string;
  readonly reservedCount: string;
  readonly pulse: string;
  readonly amnesty: string;
}

export interface NodeKeys {
  readonly term: string;
  readonly sessions: string;
  readonly rooms: string;
  readonly inbox: string;
}

/** @throws MeridianError `config-invalid` when the prefix could break a hash tag. */
export function keysOf(prefix: string) {
  if (!/^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$/.test(prefix)) {
    throw new MeridianError('config-invalid', {
      message: 'the prefix of the Redis keys may hold 1 to 64 letters, digits, "-", "_", ":" and "." only',
    });
  }
  const registry = `${prefix}:{nodes}`;
  const node = (nodeId: NodeId) => `${prefix}:{n:${nodeId}}`;
  const room = (roomId: RoomId) => `${prefix}:{r:${roomId}}`;
  return {
    prefix,
    registry: {
      index: `${registry}:index`,
      terms: `${registry}:terms`,
      fallen: `${registry}:fallen`,
      reservedUntil: `${registry}:reserved-until`,
      reservedOn: `${registry}:reserved-on`,
      reservedCount: `${registry}:reserved-count`,
      pulse: `${registry}:pulse`,
      amnesty: `${registry}:amnesty`,
    } satisfies RegistryKeys,
    /** A node's entry is `nodeEntries` + its id: scripts build the names of other nodes' entries. */
    nodeEntries: `${registry}:node:`,
    node: (nodeId: NodeId): NodeKeys => ({
      term: `${node(nodeId)}:term`,
      sessions: `${node(nodeId)}:sessions`,
      rooms: `${node(nodeId)}:rooms`,
      inbox: `${node(nodeId)}:inbox`,
    }),
    room: (roomId: RoomId): RoomKeys => ({
      participants: `${room(roomId)}:participants`,
      producers: `${room(roomId)}:producers`,
      dataProducers: `${room(roomId)}:data-producers`,
      nodes: `${room(roomId)}:nodes`,
      revision: `${room(roomId)}:revision`,
      places: `${room(roomId)}:places`,
      ended: `${room(roomId)}:ended`,
    }),
    /** Matches the `nodes` key of every room that has participants. */
    activeRooms: `${prefix}:{r:*}:nodes`,
    expelled: (roomId: RoomId) => `${room(roomId)}:expelled`,
    burntToken: (roomId: RoomId, tokenId: string) => `${room(roomId)}:jti:${tokenId}`,
    slug: (slug: RoomSlug) => `${prefix}:{s:${slug}}:room`,
    slugOf: (roomId: RoomId) => `${room(roomId)}:slug`,
    lock: (name: string) => ({ holder: `${prefix}:{l:${name}}:lock`, fence: `${prefix}:{l:${name}}:fence` }),
    chat: `${prefix}:{chat}:outbox`,
    lastChat: `${prefix}:{chat}:last`,
    chatLine: (key: string) => `${prefix}:{chat}:line:${key}`,
    counter: (digest: string) => `${prefix}:{c:${digest}}:count`,
    attempts: (digest: string) => `${prefix}:{c:${digest}}:attempts`,
    revocations: `${prefix}:{revoked}:users`,
    /** A node's channel is `channels` + its id: scripts build the names of all nodes of a room. */
    channels: `${prefix}:channel:`,
  };
}

/** The keys of a room in the order in which every room script takes them. */
export function roomKeyList(keys: RoomKeys): string[] {
  return [keys.participants, keys.producers, keys.dataProducers, keys.nodes, keys.revision, keys.places, keys.ended];
}

/** The keys of the registry in the order in which every registry script takes them. */
export function registryKeyList(keys: RegistryKeys): string[] {
  return [
    keys.index,
    keys.terms,
    keys.fallen,
    keys.reservedUntil,
    keys.reservedOn,
    keys.reservedCount,
    keys.pulse,
    keys.amnesty,
  ];
}

/** The room of a `nodes` key found by a scan; undefined for a foreign key. */
export function roomOfNodesKey(prefix: string, key: string): string | undefined {
  const head = `${prefix}:{r:`;
  const tail = '}:nodes';
  return key.startsWith(head) && key.endsWith(tail) ? key.slice(head.length, -tail.length) : undefined;
}
