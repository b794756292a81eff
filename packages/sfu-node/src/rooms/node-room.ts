import type { RoomState } from '@meridian/cluster';
import type { RoomMedia } from '@meridian/media';
import {
  assertNever,
  type DataProducerId,
  type DataProducerInfo,
  type EndReason,
  type Epoch,
  type NodeId,
  type Participant,
  type ProducerId,
  type ProducerInfo,
  type RoomEvent,
  type RoomEventEnvelope,
  type RoomId,
  type RoomSnapshot,
  type SessionId,
  type SessionLease,
} from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { EncodedNotification } from '../signalling/outbox.ts';
import { Joiners } from './joiners.ts';
import { encodeSpeakers, type LocalParticipant, type RoomView } from './local-participant.ts';
import { Members, type MembersHooks } from './members.ts';
import { isThere } from './own-part.ts';
import { Resync } from './resync.ts';
import { RoomMirror } from './room-mirror.ts';
import { notificationOf } from './room-notifications.ts';

export interface NodeRoomHooks extends MembersHooks {
  /** The state says that this attachment of a local session is over. */
  endLocal(participant: Participant, reason: EndReason): void;
  /** A participant of this node is on another one now; what it has here goes on until it leaves. */
  movedAway(participant: LocalParticipant, to: Participant): void;
  /** It is here again: the other node has lost it. */
  cameBack(participant: LocalParticipant): void;
  /** The state holds a participant of this node whom nobody here knows. */
  removeGhost(roomId: RoomId, ghost: Participant): void;
  /**
   * Asks whether the cluster has taken this node for dead; it has heard `unsettle` by the time this resolves, if so.
   * @throws what Redis says
   */
  askWhetherAlive(): Promise<void>;
  changed(room: NodeRoom, change: RoomEvent): void;
  /** Nobody holds the room any more. */
  empty(room: NodeRoom): void;
}

export interface NodeRoomOptions {
  readonly roomId: RoomId;
  readonly nodeId: NodeId;
  readonly state: RoomState;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly hooks: NodeRoomHooks;
  /**
   * After the subscription stood still, or Redis lost its data, the other nodes need this long to
   * announce theirs anew; until then nobody is believed to be gone. Milliseconds.
   */
  readonly settleMs: number;
  /** So long a node may take part in the room beyond the last participant that moved away from it, milliseconds. */
  readonly lingerMs: number;
}

/** One room as this node takes part in it: the mirror of its state and the local participants who hear of it. */
export class NodeRoom implements RoomView {
  readonly roomId: RoomId;
  readonly #options: NodeRoomOptions;
  readonly #mirror = new RoomMirror();
  readonly #joiners = new Joiners();
  readonly #stop = new AbortController();
  readonly #members: Members;
  readonly #resync: Resync;
  #media: { readonly room: RoomMedia; readonly off: Cancel } | undefined;
  /** Nodes from which participants moved away, and until when their halves there may last. */
  readonly #lingering = new Map<NodeId, number>();

  constructor(options: NodeRoomOptions) {
    const { roomId, nodeId, state, clock, random, log, settleMs, hooks } = options;
    this.roomId = roomId;
    this.#options = options;
    this.#members = new Members({ roomId, nodeId, state, hooks });
    this.#resync = new Resync({
      roomId,
      state,
      clock,
      random,
      log,
      settleMs,
      mirror: this.#mirror,
      members: this.#members,
      signal: this.#stop.signal,
      askWhetherAlive: () => hooks.askWhetherAlive(),
      believe: (snapshot) => this.#reconcile(snapshot),
    });
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  get revision(): number {
    return this.#mirror.revision;
  }

  get members(): readonly LocalParticipant[] {
    return this.#members.all;
  }

  get participants(): readonly Participant[] {
    return this.#mirror.participants;
  }

  get producers(): readonly ProducerInfo[] {
    return this.#mirror.producers;
  }

  get dataProducers(): readonly DataProducerInfo[] {
    return this.#mirror.dataProducers;
  }

  participant(sessionId: SessionId): Participant | undefined {
    return this.#mirror.participant(sessionId);
  }

  producer(producerId: ProducerId): ProducerInfo | undefined {
    return this.#mirror.producer(producerId);
  }

  dataProducer(dataProducerId: DataProducerId): DataProducerInfo | undefined {
    return this.#mirror.dataProducer(dataProducerId);
  }

  /** Other nodes that take part in the room: with participants, or with what these have not left there yet. */
  get otherNodes(): NodeId[] {
    const now = this.#options.clock.now();
    for (const [node, untilMs] of this.#lingering) if (untilMs <= now) this.#lingering.delete(node);
    const nodes = new Set([
      ...this.#mirror.participants.map((one) => one.nodeId),
      ...this.#mirror.producers.map((one) => one.nodeId),
      ...this.#mirror.dataProducers.map((one) => one.nodeId),
      ...this.#lingering.keys(),
    ]);
    nodes.delete(this.#options.nodeId);
    return [...nodes];
  }

  /** The epoch under which this node holds a participant that the room knows as `seen` (it came back from a move). */
  ownEpoch(sessionId: SessionId, seen: Epoch): Epoch {
    const member = this.#members.get(sessionId);
    const shown = this.#mirror.participant(sessionId);
    const isHere = shown?.nodeId === this.#options.nodeId && shown.epoch === seen;
    return member !== undefined && isHere ? member.self.epoch : seen;
  }

  /** Holds the room for a session that is about to be confirmed, so that no event is missed. */
  beginJoin(lease: SessionLease): void {
    this.#joiners.begin(lease);
  }

  /** The join is over, well or not. */
  endJoin(lease: SessionLease): void {
    this.#joiners.end(lease);
    this.#closeIfEmpty();
  }

  /** The state as it was when a local session was confirmed. */
  confirmed(snapshot: RoomSnapshot): void {
    if (this.#mirror.mode === 'unprimed') this.#replace(snapshot);
    // The mirror counts on from where it is: what the snapshot lacks, the events that are on their way say with its reason.
    else this.#deliver(this.#mirror.merge(this.#members.correct(snapshot)));
  }

  /**
   * Why a session is out of the room again, though it was confirmed: its end can be heard of before the confirmation.
   * Who is missing because this node was taken for dead is not out; `add` puts it back.
   */
  outAgain(lease: SessionLease): EndReason | undefined {
    const shown = this.#mirror.participant(lease.sessionId);
    if (shown === undefined) return this.#joiners.outAgain(lease);
    return shown.epoch > lease.epoch ? 'replaced' : undefined;
  }

  /**
   * Something that a participant of this node did and that the state cannot be told now: the people on this node
   * hear of it at once, the others when Redis is back.
   */
  tellHere(event: RoomEvent): void {
    if (!this.closed) this.#deliver(this.#mirror.note(event));
  }

  /** From now on it hears of every change after the state that `participants` and the others give now. */
  add(participant: LocalParticipant): void {
    const { self } = participant;
    this.#members.add(participant);
    const isShown = this.#mirror.participant(self.sessionId) !== undefined;
    if (!isShown) this.#deliver(this.#mirror.note({ type: 'participant-joined', participant: self }));
    // Confirmed before this node was taken for dead, and put back with nobody, since it was no member then.
    if (this.#joiners.isDoubtful(self.sessionId)) this.#tookForDead();
    else if (!isShown) this.#resync.start();
  }

  remove(participant: LocalParticipant): void {
    this.#members.remove(participant);
    this.#closeIfEmpty();
  }

  /** The media of the room, whose speakers the members hear of. */
  useMedia(room: RoomMedia): void {
    if (this.#media?.room === room || this.closed) return;
    this.#media?.off();
    const off = room.on('active-speakers', (speakers) => {
      const notification = encodeSpeakers(speakers);
      for (const member of this.members) member.speakersChanged(notification);
    });
    this.#media = { room, off };
  }

  broadcast(notification: EncodedNotification, except?: SessionId): void {
    for (const member of this.members) {
      if (member.self.sessionId !== except) member.sendEncoded(notification);
    }
  }

  receive(envelope: RoomEventEnvelope): void {
    if (this.closed) return;
    const applied = this.#mirror.apply(envelope);
    if (applied.outcome === 'applied') this.#deliver(applied.changes);
    else if (applied.outcome === 'held' && applied.gap) {
      this.#options.log.warn({ revision: envelope.revision, known: this.#mirror.revision }, 'room events are missing');
      this.#resync.start();
    }
  }

  /** Events of this room are missing: read what they led to. */
  missed(): void {
    if (!this.closed) this.#resync.start();
  }

  /**
   * The state lacks a member, and it is not known why. Where the node was taken for dead, all its people are back when
   * this resolves; who was put out hears of that by itself.
   * @throws what Redis says
   */
  lookAgain(): Promise<void> {
    return this.#resync.lookAgain();
  }

  /**
   * The subscription stood still, or Redis lost its data: take what comes, look again when all had time
   * to announce theirs. Who of this node is missing then is put back.
   */
  unsettle(): void {
    if (this.closed) return;
    this.#mirror.loosen();
    this.#joiners.doubt();
    this.#resync.unsettle();
  }

  /** Puts this node's participants and what they publish into the state again. @throws what Redis says */
  async restore(): Promise<void> {
    if (this.closed) return;
    this.unsettle();
    const snapshot = await this.#members.restore();
    if (!this.closed && this.#mirror.mode === 'loose')
      this.#deliver(this.#mirror.merge(this.#members.correct(snapshot)));
  }

  /** Idempotent. Members have to be gone. */
  close(): void {
    if (this.closed) return;
    this.#stop.abort();
    this.#media?.off();
    this.#media = undefined;
  }

  /** Another node took this one for dead. It is not: its people are put back. */
  #tookForDead(): void {
    this.restore().catch((error: unknown) =>
      this.#options.log.warn({ err: error }, 'putting back failed; tried again'),
    );
  }

  #closeIfEmpty(): void {
    if (this.closed || this.#members.size > 0 || this.#joiners.size > 0) return;
    this.close();
    this.#options.hooks.empty(this);
  }

  #reconcile(snapshot: RoomSnapshot): void {
    // A confirmation may have brought the mirror further than what was read.
    const newer = this.#mirror.mode === 'exact' && !this.#mirror.hasGap && this.#mirror.revision >= snapshot.revision;
    if (!newer) this.#replace(snapshot);
    for (const member of this.members) {
      const { self } = member;
      const shown = this.#mirror.participant(self.sessionId);
      if (!isThere(member, shown)) this.#options.hooks.endLocal(self, 'connection-lost');
    }
    for (const one of snapshot.participants) {
      const known = this.#members.get(one.sessionId) !== undefined || this.#joiners.has(one.sessionId);
      if (one.nodeId === this.#options.nodeId && !known) this.#options.hooks.removeGhost(this.roomId, one);
    }
    this.#members.putRight(snapshot);
  }

  #replace(snapshot: RoomSnapshot): void {
    this.#deliver(this.#mirror.replace(this.#members.correct(snapshot)), { believeLeaves: false });
    if (this.#mirror.hasGap) this.#resync.start();
  }

  #deliver(changes: readonly RoomEvent[], { believeLeaves } = { believeLeaves: true }): void {
    const { clock, lingerMs } = this.#options;
    for (const { from } of this.#mirror.takeMoves()) this.#lingering.set(from, clock.now() + lingerMs);
    for (const change of changes) {
      if (this.closed) return;
      const notification = notificationOf(change);
      this.#joiners.heard(change);
      for (const member of this.members) member.roomChanged(change, notification);
      this.#options.hooks.changed(this, change);
      this.#concernsOwn(change, believeLeaves);
    }
  }

  /** Changes that end a local participant. */
  #concernsOwn(change: RoomEvent, believeLeaves: boolean): void {
    const { endLocal, movedAway, cameBack } = this.#options.hooks;
    switch (change.type) {
      case 'room-ended':
        for (const member of this.members) endLocal(member.self, 'room-ended');
        break;
      case 'participant-joined': {
        const { self } = this.#members.get(change.participant.sessionId) ?? {};
        if (self !== undefined && self.epoch < change.participant.epoch) endLocal(self, 'replaced');
        break;
      }
      case 'participant-left': {
        const member = this.#members.get(change.sessionId);
        if (member === undefined || !believeLeaves) break;
        // By whichever of its epochs: what takes it out may not have heard yet that it was resumed.
        if (member.self.epoch > change.epoch && !member.wasOf(change.epoch)) break;
        if (change.reason === 'node-lost') this.#tookForDead();
        else endLocal(member.self, change.reason);
        break;
      }
      case 'participant-updated': {
        const { participant } = change;
        const member = this.#members.get(participant.sessionId);
        if (member === undefined || member.self.epoch >= participant.epoch) break;
        if (participant.nodeId === this.#options.nodeId) cameBack(member);
        else movedAway(member, participant);
        break;
      }
      case 'producer-opened':
      case 'producer-updated':
      case 'producer-closed':
      case 'data-producer-opened':
      case 'data-producer-closed':
        break;
      default:
        assertNever(change);
    }
  }
}
