import type { RoomState } from '@meridian/cluster';
import {
  assertNever,
  type EndReason,
  type NodeId,
  type Participant,
  type Region,
  type RoomEvent,
  type RoomEventEnvelope,
  type RoomId,
} from '@meridian/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { RelayManager } from '../relay/relay-manager.ts';
import type { LocalParticipant } from './local-participant.ts';
import { NodeRoom, type NodeRoomHooks } from './node-room.ts';

export interface NodeRoomsOptions {
  readonly nodeId: NodeId;
  readonly state: RoomState;
  readonly relays: RelayManager;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** See NodeRoomOptions. */
  readonly settleMs: number;
  /** See NodeRoomOptions. */
  readonly lingerMs: number;
  readonly movedAway: (participant: LocalParticipant, to: Participant) => void;
  readonly cameBack: (participant: LocalParticipant) => void;
  readonly endLocal: (participant: Participant, reason: EndReason) => void;
  readonly isLeaving: (roomId: RoomId, participant: Participant) => boolean;
  readonly removeGhost: (roomId: RoomId, ghost: Participant) => void;
  readonly removeStray: NodeRoomHooks['removeStray'];
  readonly writeConnection: NodeRoomHooks['writeConnection'];
  readonly writePaused: NodeRoomHooks['writePaused'];
  readonly goneMeanwhile: NodeRoomHooks['goneMeanwhile'];
  readonly askWhetherAlive: NodeRoomHooks['askWhetherAlive'];
}

/** The rooms in which this node has participants. */
export class NodeRooms {
  readonly #options: NodeRoomsOptions;
  readonly #rooms = new Map<RoomId, NodeRoom>();
  /** Where the nodes that were met in rooms stand; for metrics. */
  readonly #regions = new Map<NodeId, Region>();

  constructor(options: NodeRoomsOptions) {
    this.#options = options;
    options.relays.onTrouble(({ roomId, origin, code }) => {
      for (const member of this.find(roomId)?.members ?? []) member.relayTrouble(origin, code);
    });
  }

  get all(): readonly NodeRoom[] {
    return [...this.#rooms.values()];
  }

  get size(): number {
    return this.#rooms.size;
  }

  find(roomId: RoomId): NodeRoom | undefined {
    return this.#rooms.get(roomId);
  }

  regionOf(nodeId: NodeId): Region | undefined {
    return this.#regions.get(nodeId);
  }

  /** The room, made when this node is not in it yet. It closes when nobody joins or stays in it. */
  ensure(roomId: RoomId): NodeRoom {
    const known = this.#rooms.get(roomId);
    if (known !== undefined) return known;
    const { nodeId, state, clock, random, settleMs, lingerMs } = this.#options;
    const { endLocal, movedAway, cameBack, isLeaving, removeGhost, removeStray, goneMeanwhile } = this.#options;
    const { writeConnection, writePaused, askWhetherAlive } = this.#options;
    const room = new NodeRoom({
      roomId,
      nodeId,
      state,
      clock,
      random,
      settleMs,
      lingerMs,
      log: this.#options.log.child({ roomId }),
      hooks: {
        endLocal,
        movedAway,
        cameBack,
        isLeaving,
        removeGhost,
        removeStray,
        writeConnection,
        writePaused,
        goneMeanwhile,
        askWhetherAlive,
        changed: (changedRoom, change) => this.#changed(changedRoom, change),
        empty: (emptyRoom) => this.#forget(emptyRoom),
      },
    });
    this.#rooms.set(roomId, room);
    return room;
  }

  receive(envelope: RoomEventEnvelope): void {
    this.#rooms.get(envelope.roomId)?.receive(envelope);
  }

  /** Events of one room are missing; without a room: the subscription stood still. */
  gap(roomId?: RoomId): void {
    if (roomId === undefined) for (const room of this.#rooms.values()) room.unsettle();
    else this.#rooms.get(roomId)?.missed();
  }

  close(): void {
    for (const room of this.all) {
      room.close();
      this.#forget(room);
    }
  }

  #forget(room: NodeRoom): void {
    if (this.#rooms.get(room.roomId) !== room) return;
    this.#rooms.delete(room.roomId);
    this.#options.relays.closeRoom(room.roomId);
  }

  #changed(room: NodeRoom, change: RoomEvent): void {
    const { relays } = this.#options;
    switch (change.type) {
      case 'producer-updated':
        relays.producerPaused(room.roomId, change.producerId, change.paused);
        break;
      case 'producer-closed':
        relays.producerClosed(room.roomId, change.producerId);
        break;
      case 'data-producer-closed':
        relays.dataProducerClosed(room.roomId, change.dataProducerId);
        break;
      case 'participant-updated':
        this.#regions.set(change.participant.nodeId, change.participant.region);
        break;
      case 'participant-joined':
        this.#regions.set(change.participant.nodeId, change.participant.region);
        // It may have come from a node that has nobody in the room any more (it was lost): nobody leaves then.
        this.#dropRelaysOfAbsent(room);
        break;
      case 'participant-left':
        this.#dropRelaysOfAbsent(room);
        break;
      case 'producer-opened':
      case 'data-producer-opened':
      case 'room-ended':
        break;
      default:
        assertNever(change);
    }
  }

  #dropRelaysOfAbsent(room: NodeRoom): void {
    const { relays } = this.#options;
    const still = new Set(room.otherNodes);
    for (const remote of relays.nodesOf(room.roomId)) {
      if (!still.has(remote)) relays.nodeLeftRoom(room.roomId, remote);
    }
  }
}
