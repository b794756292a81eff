import type { NodeId, ProducerInfo, RoomId, RoomSnapshot } from '@meridian/protocol';
import type { Ledger, Seated } from './ledger.ts';
import { KEY_PREFIX, type ModelNode } from './node.ts';
import type { World } from './world.ts';

/**
 * What does not agree: the room's state in Redis with the model, and with it each node's mirror, each page's own view,
 * media, relays, leases and the registry. Empty when all is well.
 */
export async function compare(world: World, ledger: Ledger): Promise<string[]> {
  const wrong = ledger.due();
  for (const roomId of ledger.rooms) {
    const snapshot = await world.service.rooms.snapshot(roomId);
    wrong.push(...state(ledger, roomId, snapshot));
    for (const node of world.living) wrong.push(...mirror(node, ledger, roomId, snapshot));
    for (const seat of ledger.in(roomId)) wrong.push(...view(world, seat, snapshot));
    for (const node of world.living) wrong.push(...media(world, node, ledger, snapshot));
  }
  for (const node of world.living) wrong.push(...(await holdings(world, node, ledger)));
  if (ledger.over) wrong.push(...(await leftovers(world, ledger)));
  return wrong;
}

const line = (one: { sessionId: string; nodeId: string; epoch: number; connection: string }) =>
  `${one.sessionId} at ${one.nodeId} in epoch ${one.epoch}, ${one.connection}`;
const producerLine = (one: Pick<ProducerInfo, 'producerId' | 'sessionId' | 'nodeId' | 'paused'>) =>
  `${one.producerId} of ${one.sessionId} at ${one.nodeId}${one.paused ? ', paused' : ''}`;

/** Redis against the model. */
function state(ledger: Ledger, roomId: RoomId, snapshot: RoomSnapshot): string[] {
  const wrong: string[] = [];
  const seats = new Map(ledger.in(roomId).map((seat) => [seat.tab.sessionId, seat]));
  for (const { tab, client } of seats.values()) {
    const { sessionId } = tab;
    const found = snapshot.participants.find((one) => one.sessionId === sessionId);
    const own = client.epoch ?? 0;
    const epoch = client.returned && found !== undefined ? Math.max(own, found.epoch) : own;
    const expected = { sessionId, nodeId: client.node.nodeId, epoch, connection: 'connected' };
    if (found === undefined) wrong.push(`lost: ${line(expected)} is not in the room`);
    else if (line(found) !== line(expected)) wrong.push(`the room holds ${line(found)} and not ${line(expected)}`);
    const published = snapshot.producers.filter((one) => one.sessionId === sessionId);
    const wanted = [...tab.producers.values()].map((one) => ({ ...one, sessionId, nodeId: client.node.nodeId }));
    wrong.push(...difference('producers in the room', wanted.map(producerLine), published.map(producerLine)));
  }
  for (const one of snapshot.participants) {
    if (seats.has(one.sessionId) || ledger.mayLinger(roomId, one.sessionId, one.nodeId)) continue;
    wrong.push(`a ghost is in the room: ${line(one)}`);
  }
  for (const one of snapshot.producers) {
    if (snapshot.participants.some(({ sessionId }) => sessionId === one.sessionId)) continue;
    wrong.push(`a producer of nobody is in the room: ${producerLine(one)}`);
  }
  return wrong;
}

/** A node's mirror against Redis. */
function mirror(node: ModelNode, ledger: Ledger, roomId: RoomId, snapshot: RoomSnapshot): string[] {
  const room = node.core.services.rooms.find(roomId);
  const seats = ledger.in(roomId).filter(({ client }) => client.node === node);
  if (room === undefined) return seats.length === 0 ? [] : [`${node.nodeId} does not hold the room of ${seats.length}`];
  const lingering = snapshot.participants.some((one) => one.nodeId === node.nodeId);
  if (seats.length === 0) return lingering ? [] : [`${node.nodeId} holds the room and nobody in it`];
  return [
    ...difference(`participants at ${node.nodeId}`, snapshot.participants.map(line), room.participants.map(line)),
    ...difference(
      `producers at ${node.nodeId}`,
      snapshot.producers.map(producerLine),
      room.producers.map(producerLine),
    ),
  ];
}

/** A page's view against Redis. */
function view(world: World, { tab, client }: Seated, snapshot: RoomSnapshot): string[] {
  const others = <T extends { sessionId: string }>(all: Iterable<T>) =>
    [...all].filter((one) => one.sessionId !== tab.sessionId);
  const producers = others(snapshot.producers);
  const living = new Set(world.living.map(({ nodeId }) => nodeId));
  const consumable = producers.filter((one) => living.has(one.nodeId)).map((one) => one.producerId);
  const dead = new Set(producers.filter((one) => !living.has(one.nodeId)).map((one) => one.producerId));
  const who = `as ${tab.sessionId} sees it`;
  return [
    ...difference(
      `participants ${who}`,
      others(snapshot.participants).map(line),
      others(client.participants.values()).map(line),
    ),
    ...difference(`producers ${who}`, producers.map(producerLine), others(client.producers.values()).map(producerLine)),
    ...difference(
      `consumers of ${tab.sessionId}`,
      consumable,
      [...client.consumers.values()].filter((producerId) => !dead.has(producerId)),
    ),
  ];
}

/** Media and relays of one room at one node. */
function media(world: World, node: ModelNode, ledger: Ledger, snapshot: RoomSnapshot): string[] {
  const wrong: string[] = [];
  const { roomId } = snapshot;
  const room = node.media.room(roomId);
  const seats = ledger.in(roomId).filter(({ client }) => client.node === node);
  const held = new Set(room?.participants.map(({ sessionId }) => sessionId) ?? []);
  for (const { tab } of seats)
    if (!held.delete(tab.sessionId)) wrong.push(`${tab.sessionId} has no media at ${node.nodeId}`);
  for (const sessionId of held) {
    if (!ledger.mayLinger(roomId, sessionId, node.nodeId))
      wrong.push(`${node.nodeId} has leaked media of ${sessionId}`);
  }
  const links = node.core.services.relays.links().filter((link) => link.roomId === roomId);
  if ((room?.relayEnds.length ?? 0) !== links.length) {
    wrong.push(`${node.nodeId} holds ${room?.relayEnds.length ?? 0} relay ends and knows of ${links.length}`);
  }
  for (const other of world.living) {
    if (other === node) continue;
    const wanted = wantedBy(node, roomId, snapshot, other.nodeId);
    const pulled = links.filter((link) => link.role === 'puller' && link.remoteNodeId === other.nodeId);
    const offered = other.core.services.relays
      .links()
      .filter((link) => link.roomId === roomId && link.role === 'origin' && link.remoteNodeId === node.nodeId);
    for (const [name, side] of [
      ['pulls', pulled],
      ['is offered', offered],
    ] as const) {
      if (side.length > 1) wrong.push(`${node.nodeId} ${name} over ${side.length} links from ${other.nodeId}`);
      const ids = side.flatMap(({ end }) => end.producerIds);
      if (wanted.length === 0 && side.length > 0)
        wrong.push(`${node.nodeId} ${name} something unwanted from ${other.nodeId}`);
      wrong.push(...difference(`what ${node.nodeId} ${name} from ${other.nodeId}`, wanted, ids));
    }
  }
  return wrong;
}

function wantedBy(node: ModelNode, roomId: RoomId, snapshot: RoomSnapshot, origin: NodeId): string[] {
  const members = node.core.services.rooms.find(roomId)?.members ?? [];
  return snapshot.producers
    .filter((one) => one.nodeId === origin && members.some(({ self }) => self.sessionId !== one.sessionId))
    .map(({ producerId }) => producerId);
}

/** What a node holds by itself: leases, sessions, connections, unfinished chores, its entry. */
async function holdings(world: World, node: ModelNode, ledger: Ledger): Promise<string[]> {
  const { nodeId, core } = node;
  const { sessions, chores } = core.services;
  const wrong: string[] = [];
  const entry = await world.raw.send('EXISTS', `${KEY_PREFIX}:{nodes}:node:${nodeId}`);
  if (entry !== 1) wrong.push(`${nodeId} is not in the registry`);
  const leases = await world.raw.list('HKEYS', `${KEY_PREFIX}:{n:${nodeId}}:sessions`);
  wrong.push(
    ...difference(
      `leases of ${nodeId}`,
      sessions.all.map(({ sessionId }) => sessionId),
      leases,
    ),
  );
  const connected = new Set(ledger.on(nodeId).map(({ tab }) => tab.sessionId));
  for (const { sessionId } of sessions.all) {
    if (!connected.has(sessionId) && !ledger.mayBeAttached(sessionId)) wrong.push(`${nodeId} holds ${sessionId} still`);
  }
  if (chores.size > 0) wrong.push(`${chores.size} chores of ${nodeId} are not done`);
  if (core.attachments.size !== node.connections) {
    wrong.push(`${nodeId} counts ${core.attachments.size} connections, and there are ${node.connections}`);
  }
  return wrong;
}

/** When everybody has gone, only what ends by itself may be there. */
async function leftovers(world: World, ledger: Ledger): Promise<string[]> {
  const wrong: string[] = [];
  for (const roomId of ledger.rooms) {
    for (const key of await world.raw.keys(`${KEY_PREFIX}:{r:${roomId}}:`)) {
      const ttl = await world.raw.send('PTTL', key);
      if (typeof ttl === 'number' && ttl === -1) wrong.push(`${key} is left in Redis for ever`);
    }
  }
  for (const node of world.living) {
    const { rooms, consumers, transports, relayEnds } = node.media.load();
    if (rooms + consumers + transports + relayEnds > 0) {
      wrong.push(`${node.nodeId} has leaked media: ${JSON.stringify(node.media.load())}`);
    }
    const { rooms: held, sessions } = node.core.services;
    if (held.size + sessions.size > 0) wrong.push(`${node.nodeId} holds ${held.size} rooms, ${sessions.size} sessions`);
    if (node.clock.pending > node.idleTimers) {
      wrong.push(`${node.nodeId} has leaked ${node.clock.pending - node.idleTimers} timers`);
    }
  }
  return wrong;
}

function difference(what: string, expected: readonly string[], found: readonly string[]): string[] {
  const rest = [...found];
  const missing = expected.filter((one) => {
    const at = rest.indexOf(one);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [
    ...missing.map((one) => `missing among the ${what}: ${one}`),
    ...rest.map((one) => `too much among the ${what}: ${one}`),
  ];
}
