import type {
  BusMethod,
  BusNotice,
  BusNoticeData,
  BusReplyData,
  BusRequestData,
  ChatMessage,
  DataProducerId,
  DataProducerInfo,
  DuplicatePolicy,
  EndReason,
  Epoch,
  NodeId,
  NodeRecord,
  NodeView,
  Participant,
  ProducerId,
  ProducerInfo,
  Region,
  RoomEventEnvelope,
  RoomId,
  RoomSlug,
  RoomSnapshot,
  SessionId,
  SessionLease,
  UserId,
} from '@meridian/protocol';

/**
 * What the services see of Redis. Every method takes an AbortSignal or has a deadline of its own
 * (`commandTimeoutMs`) and throws MeridianError `cluster-unavailable` when Redis does not answer in time.
 */

/** The live nodes and the places promised on them. */
export interface NodeRegistry {
  /**
   * All live nodes with their reservations. Served from a view that is refreshed in the background
   * (at most `maxAgeMs`, default 1,000, old; read at once when there is none), so that a join costs no
   * command for it. Reservations made through this object are in it at once.
   */
  list(): Promise<NodeView[]>;
  /**
   * Promises a place on a node to a session until it attaches or `reservationMs` have passed. The
   * view counts it before the command is sent, and the reply corrects the reservations of all nodes
   * (other service instances reserve too). One command.
   */
  reserve(nodeId: NodeId, sessionId: SessionId): Promise<void>;
  close(): Promise<void>;
}

/** One node's own entry. Heartbeats until it is withdrawn. */
export interface NodeAnnouncement {
  readonly record: NodeRecord;
  /** False while the node cannot reach Redis (commands or pub/sub): it has dropped out by itself. */
  readonly announced: boolean;
  /** Changes what the next heartbeat says; `now` sends one at once. */
  update(
    change: Partial<Pick<NodeRecord, 'state' | 'load' | 'drain' | 'clockOffsetMs'>>,
    options?: { now?: boolean },
  ): Promise<void>;
  /**
   * What the node held before its entry stood anew is not swept until this work has settled: it puts all of that back.
   * To be called by whoever hears `restored`, at once.
   */
  puttingBack(work: Promise<unknown>): void;
  /** Removes the entry and stops heartbeating. Idempotent. */
  withdraw(): Promise<void>;
  on<E extends keyof AnnouncementEvents>(event: E, listener: (...args: AnnouncementEvents[E]) => void): () => void;
}

export interface AnnouncementEvents {
  /** The entry had vanished (expiry, Redis restarted empty) and stands again: announce sessions and rooms anew. */
  restored: [];
  /** No heartbeat got through for the lease time. */
  lost: [cause: unknown];
}

/** Session leases. The lease lives as long as its node's announcement does. */
export interface SessionLeases {
  /**
   * A WebSocket has attached: raises the epoch. `roomHint` is indexed for the sweep. One command.
   * @throws MeridianError `cluster-unavailable`, also while the node has dropped out of the cluster.
   */
  attach(session: {
    sessionId: SessionId;
    userId: UserId;
    name: string;
    nodeId: NodeId;
    region: Region;
    roomHint?: RoomId | undefined;
  }): Promise<SessionLease>;
  /** The lease as its node wrote it; undefined when there is none or the node is gone. One command. */
  find(nodeId: NodeId, sessionId: SessionId): Promise<SessionLease | undefined>;
  /** Ends the lease unless a newer epoch holds it. Returns whether it was ended. */
  end(nodeId: NodeId, sessionId: SessionId, epoch: Epoch): Promise<boolean>;
  /** Puts leases back after Redis lost them, keeping their epochs. */
  restore(leases: readonly SessionLease[]): Promise<void>;
}

export type Admission =
  | { readonly admitted: true; readonly expiresInMs: number }
  /** `session-replaced`: a newer epoch of the same session holds the place already. */
  | {
      readonly admitted: false;
      /** `members-only`: the room was made private, or the user is no member any more, since a moment ago. */
      readonly reason: 'room-full' | 'duplicate' | 'room-ended' | 'session-replaced' | 'members-only';
    }
  /** Was put out of the room and may not come back yet. */
  | { readonly admitted: false; readonly reason: 'expelled'; readonly retryAfterMs: number };

/** Who is put out of a room. */
export type Expelled =
  | { readonly userId: UserId }
  | { readonly formerMember: UserId }
  | { readonly allBut: readonly UserId[] };

export type Confirmation =
  | { readonly confirmed: true; readonly self: Participant; readonly snapshot: RoomSnapshot }
  | {
      readonly confirmed: false;
      readonly reason: 'token-replayed' | 'place-expired' | 'session-replaced' | 'room-ended';
    };

/** Who and what is in the rooms. Every change is one script that raises the revision and tells the room's nodes. */
export interface RoomState {
  /**
   * Reserves a place: checks capacity, duplicates and the end mark in one step. A session that holds
   * a place already (same id, other epoch) keeps its one place. One command.
   */
  admit(request: {
    roomId: RoomId;
    lease: SessionLease;
    capacity: number;
    duplicates: DuplicatePolicy;
    /** Neither owner nor member; default false. */
    visitor?: boolean;
  }): Promise<Admission>;
  /**
   * Burns the token's id and turns the reserved place into a participant; the caller's node is in
   * the room from then on and gets its events. One command (two where no `roomHint` came with the attachment).
   * @throws MeridianError `cluster-unavailable`: the answer may have been lost on its way back, so whoever gives up now
   * calls `leave`. Also thrown while the node has dropped out of the cluster.
   */
  confirm(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    tokenId: string;
    /** How long the token could still be replayed, milliseconds. */
    tokenTtlMs: number;
    nodeId: NodeId;
    /**
     * The participant moves here: what the older epoch publishes on its node stays until `leave` is called with that
     * epoch, both nodes are in the room until then, and everybody hears `participant-updated` instead of a join. Where
     * there is no older participant on another node, it is an ordinary confirmation.
     */
    handover?: boolean;
  }): Promise<Confirmation>;
  /**
   * Ends an attachment's part in the room. Who it concerns:
   * - the participant, if this epoch (or an older one) holds its place: it goes with all it published, also with what is
   *   left of it on nodes from which it moved. But where it came by a handover, has not left the former node yet,
   *   and the reason is nobody's wish (a lost connection, dead transports, `moved`, a node that stops), it goes back to
   *   that node and everybody hears `participant-updated`;
   * - what a handover has left here: what this epoch still publishes on its node goes, and the node is out of the room.
   * With `nodeId` only what is on that node, so that a join that failed halfway does not take away what it was to replace.
   */
  leave(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    reason: EndReason;
    nodeId?: NodeId;
  }): Promise<boolean>;
  /**
   * A newer epoch than the participant's is taken over: a resumed session keeps its participant and its media. With
   * `nodeId` refused (false) when the participant is on another node by now.
   */
  setConnection(request: {
    roomId: RoomId;
    sessionId: SessionId;
    epoch: Epoch;
    connection: Participant['connection'];
    nodeId?: NodeId;
  }): Promise<boolean>;
  /**
   * All five are refused (false) when the participant is gone or a newer epoch holds its place. A node from which it moves
   * may publish until it has left. `replaces` of a producer is dropped when that one is gone or another session's.
   */
  openProducer(roomId: RoomId, epoch: Epoch, producer: ProducerInfo): Promise<boolean>;
  setProducerPaused(roomId: RoomId, producerId: ProducerId, paused: boolean): Promise<boolean>;
  closeProducer(roomId: RoomId, producerId: ProducerId): Promise<boolean>;
  openDataProducer(roomId: RoomId, epoch: Epoch, dataProducer: DataProducerInfo): Promise<boolean>;
  closeDataProducer(roomId: RoomId, dataProducerId: DataProducerId): Promise<boolean>;
  snapshot(roomId: RoomId): Promise<RoomSnapshot>;
  /** Nodes with participants in the room; for placement. One command. */
  nodesOf(roomId: RoomId): Promise<NodeId[]>;
  /** Rooms that have participants now, for operators: id and head counts. */
  listActive(): Promise<{ roomId: RoomId; participants: number; nodes: NodeId[] }[]>;
  /**
   * Removes everybody and marks the room as ended: admissions answer `room-ended` for `closedForMs`
   * (default a day, for a room that is being deleted).
   */
  end(roomId: RoomId, options?: { closedForMs?: number }): Promise<void>;
  /**
   * Puts a user (all sessions of theirs), a former member, or everybody but those named, out of the room: participants
   * leave with `reason`, places that were promised are taken back, and for `forMs` they are neither admitted (former members
   * and all others: not as visitors) nor put back by a node that was cut off. Their nodes hear of it as of every
   * leave. Returns how many had to go. One command.
   */
  expel(request: { roomId: RoomId; who: Expelled; reason: EndReason; forMs: number }): Promise<number>;
  /**
   * Takes expulsions back: of a user (`invitedAtMs`: unless they were put out after that), or of visitors and former
   * members, because the room is public.
   */
  readmit(roomId: RoomId, who: { readonly userId: UserId; readonly invitedAtMs?: number } | 'visitors'): Promise<void>;
  /** Lifts the mark: the owner opens the room again. */
  reopen(roomId: RoomId): Promise<void>;
  /**
   * Puts a node's own participants and what they publish back after Redis lost them. Older epochs give way; but those of
   * the same stay in the room (one `joinedAtMs`) on two nodes are a move under way, whichever is put back first. What the
   * node held before it dropped out and does not put back within its lease time is swept.
   */
  restore(
    roomId: RoomId,
    nodeId: NodeId,
    own: { participants: Participant[]; producers: ProducerInfo[]; dataProducers: DataProducerInfo[] },
  ): Promise<RoomSnapshot>;
}

/** Everything that reaches one node: bus messages and the events of its rooms, over one subscription. */
export interface NodeInbox {
  readonly nodeId: NodeId;
  /** Handlers answer typed requests; what they throw travels back as an error body. */
  handle<M extends BusMethod>(
    method: M,
    handler: (data: BusRequestData<M>, context: { from: NodeId; signal: AbortSignal }) => Promise<BusReplyData<M>>,
  ): void;
  onNotice<N extends BusNotice>(notice: N, handler: (data: BusNoticeData<N>, from: NodeId) => void): void;
  /**
   * @throws MeridianError `deadline-exceeded` after `ttlMs` (default 3,000), `node-unknown` at once when
   * nobody listens there, or the error that the handler threw.
   */
  request<M extends BusMethod>(
    to: NodeId,
    method: M,
    data: BusRequestData<M>,
    options?: { ttlMs?: number; signal?: AbortSignal },
  ): Promise<BusReplyData<M>>;
  /**
   * Returns whether the other node says that it has heard it. With an id of the caller's, a notice that is said again because
   * that was not known is heard once.
   * @throws MeridianError `cluster-unavailable`, `closed`
   */
  notify<N extends BusNotice>(
    to: NodeId,
    notice: N,
    data: BusNoticeData<N>,
    options?: { id?: string },
  ): Promise<boolean>;
  /** Events of the rooms this node is in, in the order of their revisions per room. */
  onRoomEvent(handler: (envelope: RoomEventEnvelope) => void): void;
  /**
   * Events may be missing, read snapshots again: of one room (a revision was skipped), or of all rooms
   * when none is named (the subscription stood still and came back).
   */
  onGap(handler: (roomId?: RoomId) => void): void;
  close(): Promise<void>;
}

export type LockOutcome<T> =
  | { readonly outcome: 'done'; readonly value: T }
  | { readonly outcome: 'not-acquired' }
  | { readonly outcome: 'lost' };

export interface Locks {
  /**
   * Runs `work` under a lock that is extended while it runs. `signal` aborts when the lock is lost;
   * `fence` rises with every holder of this name. Resolves once `work` has settled, so a lost lock does not leave it
   * running unseen.
   */
  withLock<T>(
    name: string,
    options: { ttlMs: number; signal?: AbortSignal },
    work: (held: { signal: AbortSignal; fence: number }) => Promise<T>,
  ): Promise<LockOutcome<T>>;
}

/** A chat line that the queue does not have yet. */
export interface ChatDraft {
  /** Of this line alone: by it the queue knows the line when it is asked twice. */
  readonly key: string;
  /** With the id and the time that it would have now. */
  readonly message: ChatMessage;
}

/** Chat lines on their way to the durable store: an ordered, acknowledged queue (a Redis stream). */
export interface ChatOutbox {
  /** No command: id and time are those of Redis's clock as this process knows it. */
  draft(line: Omit<ChatMessage, 'id' | 'sentAtMs'>): ChatDraft;
  /**
   * Accepts a line; ids rise in the order of acceptance. Asked again, it accepts nothing twice and answers as before.
   * `late`: the line was shown with the draft's id while Redis was away, and keeps it.
   * @throws MeridianError `cluster-unavailable`: it may have been accepted all the same
   */
  append(draft: ChatDraft, options?: { late?: boolean }): Promise<ChatMessage>;
  /**
   * Hands every line, oldest first and at least once, to `keep` until the signal aborts; a line whose
   * `keep` throws is handed over again later, before any younger one.
   */
  drain(
    keep: (messages: ChatMessage[]) => Promise<void>,
    options: { consumer: string; signal: AbortSignal },
  ): Promise<void>;
}

/** Sweeps nodes whose lease ran out: one node does it, all their participants leave with `node-lost`. */
export interface DeadNodeSweeper {
  /** Looks now; also called by every heartbeat. Returns the nodes that this call swept. */
  sweep(): Promise<NodeId[]>;
  stop(): Promise<void>;
}

/** The tokens of a user with a version below `ver` are refused. */
export interface Revocation {
  readonly userId: UserId;
  readonly ver: number;
}

/**
 * Who was logged out everywhere of late. Nodes are told over the bus; this is what they read who could not be told:
 * those that start, or come back after they were cut off.
 */
export interface Revocations {
  /** Kept for `keepMs`: as long as a session token lives. One command. */
  add(revocations: readonly Revocation[], keepMs: number): Promise<void>;
  /** Those added at or after `fromMs` (clock of Redis; 0 for all) and the time of the last one. One command. */
  since(fromMs: number): Promise<{ revocations: Revocation[]; lastMs: number }>;
}

/** Limits that all instances of a service share. `name` is the limit, `who` any text: keys hold a digest of both. */
export interface SharedLimits {
  /** Adds to a counter that begins anew `windowMs` after its first amount. One command. */
  count(name: string, who: string, amount: number, windowMs: number): Promise<{ count: number; resetMs: number }>;
  /** Counts an attempt where fewer than `limit` were made in the last `windowMs`. One command. */
  attempt(
    name: string,
    who: string,
    window: { limit: number; windowMs: number },
  ): Promise<{ readonly allowed: true } | { readonly allowed: false; readonly retryAfterMs: number }>;
  /** Earlier attempts are forgotten. */
  forget(name: string, who: string): Promise<void>;
}

/** A room's slug and id, each found by the other, for operators' views; written at admission. */
export interface RoomNames {
  set(roomId: RoomId, slug: RoomSlug): Promise<void>;
  find(slug: RoomSlug): Promise<RoomId | undefined>;
  slugOf(roomId: RoomId): Promise<RoomSlug | undefined>;
}
