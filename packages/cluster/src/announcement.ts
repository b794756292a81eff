import { MeridianError, type NodeRecord } from '@meridian/protocol';
import type { ClusterLogger } from './api.ts';
import { Emitter } from './emitter.ts';
import type { HostedRooms, NodeTerms } from './hosted-rooms.ts';
import { type Keys, registryKeyList } from './keys.ts';
import type { AttachedSessions } from './leases.ts';
import type { AnnouncementEvents, NodeAnnouncement } from './ports.ts';
import { encode, REPLIES } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { closedError, unavailable } from './redis/failures.ts';
import type { Subscriber } from './redis/subscriber.ts';
import type { RoomRevisions } from './room-revisions.ts';
import type { RedisRoomState } from './room-state.ts';
import { SCRIPTS } from './scripts.ts';
import type { NodeSweeper } from './sweeper.ts';

/** Rooms that nobody has entered or left for so long are checked for being empty, milliseconds. */
const QUIET_MS = 60_000;
/** So many of them with one heartbeat. */
const MOST_CHECKED = 8;

export interface NodeAnnouncerOptions {
  readonly record: NodeRecord;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly connection: RedisConnection;
  readonly subscriber: Subscriber;
  readonly keys: Keys;
  readonly terms: NodeTerms;
  readonly hosted: HostedRooms;
  readonly attached: AttachedSessions;
  readonly rooms: RedisRoomState;
  readonly revisions: RoomRevisions;
  readonly sweeper: NodeSweeper;
  readonly logger: ClusterLogger;
}

/**
 * Keeps a node's entry alive. A heartbeat is a command that also publishes to the node's own channel; only a node that
 * hears its heartbeats come back goes on claiming its entry, since one that cannot be reached over pub/sub is of no use.
 */
export class NodeAnnouncer implements NodeAnnouncement {
  readonly #options: NodeAnnouncerOptions;
  readonly #channel: string;
  readonly #events: Emitter<AnnouncementEvents>;
  #record: NodeRecord;
  #state: 'announced' | 'lost' | 'withdrawn' = 'announced';
  /** The entry stands anew and the listeners do not know yet. */
  #anew = false;
  /** Work under way that puts back what the node holds. */
  #putBacks = 0;
  #beats = 0;
  #lastEcho = 0;
  /** When Redis took the first beat since then that has not come back. */
  #unheardSince: number | undefined;
  #trouble: unknown;
  #next: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #sweeping: Promise<unknown> = Promise.resolve();
  #stopListening: (() => void) | undefined;
  #heard: (() => void) | undefined;
  #withdrawing: Promise<void> | undefined;
  /**
   * A later term than its own that stands at the node's keys: either a successor's, whose entry the next beat finds, or
   * that note is damaged, and the node takes a term that is later still. 0 where there is none.
   */
  #outrunBy = 0;
  /** The node's own keys do not say yet that this term has begun. */
  #begins = false;

  constructor(options: NodeAnnouncerOptions) {
    this.#options = options;
    this.#record = options.record;
    this.#channel = options.keys.channels + options.record.nodeId;
    this.#events = new Emitter((error) => options.logger.error({ err: error }, 'a listener of the announcement threw'));
  }

  get record(): NodeRecord {
    return this.#record;
  }

  get announced(): boolean {
    return this.#state === 'announced';
  }

  /** @throws MeridianError `cluster-unavailable` */
  async start(): Promise<void> {
    this.#stopListening = await this.#options.subscriber.listen(this.#channel, {
      message: (text) => this.#hear(text),
      resubscribed: () => {
        this.#unheardSince = undefined;
        this.#beatNow();
      },
    });
    this.#lastEcho = performance.now();
    try {
      await this.#enqueue('announce');
    } catch (error) {
      this.#state = 'withdrawn';
      this.#stop();
      throw error;
    }
    this.#schedule(this.#options.heartbeatMs);
  }

  async update(
    change: Partial<Pick<NodeRecord, 'state' | 'load' | 'drain' | 'clockOffsetMs'>>,
    { now = false }: { now?: boolean } = {},
  ): Promise<void> {
    if (this.#state === 'withdrawn') throw closedError('the announcement');
    this.#record = { ...this.#record, ...change };
    if (now) await this.#claimNow();
  }

  puttingBack(work: Promise<unknown>): void {
    this.#putBacks += 1;
    const over = () => {
      this.#putBacks -= 1;
    };
    work.then(over, over);
  }

  withdraw(): Promise<void> {
    this.#withdrawing ??= this.#withdraw();
    return this.#withdrawing;
  }

  on<E extends keyof AnnouncementEvents>(event: E, listener: (...args: AnnouncementEvents[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async #withdraw(): Promise<void> {
    const { connection, keys, terms, sweeper, hosted, attached, logger } = this.#options;
    const { nodeId, incarnation } = this.#record;
    this.#state = 'withdrawn';
    this.#stop();
    await Promise.allSettled([this.#beating, this.#sweeping]);
    try {
      const reply = await connection.run(SCRIPTS.registry.withdraw, registryKeyList(keys.registry), [
        keys.nodeEntries,
        nodeId,
        incarnation,
      ]);
      // Sessions that could not be ended one by one go now; should this fail, another node sweeps them.
      if (REPLIES.flag.parse(reply)) await sweeper.clear(nodeId, terms.of(nodeId), 'node-shutdown');
    } catch (error) {
      logger.warn({ err: error, nodeId }, 'the node could not be withdrawn; its entry expires by itself');
    } finally {
      terms.setLost(nodeId, false);
      hosted.forget(nodeId);
      attached.forget(nodeId);
    }
  }

  #stop(): void {
    clearTimeout(this.#next);
    clearTimeout(this.#expiry);
    this.#stopListening?.();
  }

  #hear(text: string): void {
    if (!text.startsWith('{"') || !text.includes(this.#record.incarnation)) return;
    if (!isBeat(text, this.#record.incarnation)) return;
    this.#lastEcho = performance.now();
    this.#unheardSince = undefined;
    this.#heard?.();
    if (this.#state === 'lost') this.#beatNow();
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#next);
    if (this.#state === 'withdrawn') return;
    this.#next = setTimeout(() => {
      const started = performance.now();
      void this.#enqueue(this.#mode())
        .catch((error: unknown) => {
          this.#trouble = error;
          this.#options.logger.debug({ err: error }, 'a heartbeat did not get through');
        })
        .finally(() => this.#schedule(Math.max(0, this.#options.heartbeatMs - (performance.now() - started))));
    }, inMs);
  }

  #beatNow(): void {
    if (this.#state !== 'withdrawn') this.#schedule(0);
  }

  /** @throws MeridianError `cluster-unavailable` when Redis does not answer, or the heartbeat is not heard here. */
  async #claimNow(): Promise<void> {
    if (this.#mode() === 'probe') {
      const { timeoutMs } = this.#options.connection;
      let timer: NodeJS.Timeout | undefined;
      const echo = new Promise<void>((resolve, reject) => {
        this.#heard = resolve;
        timer = setTimeout(() => reject(unavailable('the own heartbeats do not come back')), timeoutMs);
      });
      try {
        await Promise.all([this.#enqueue('probe'), echo]);
      } finally {
        clearTimeout(timer);
        this.#heard = undefined;
      }
    }
    await this.#enqueue('claim');
  }

  /**
   * A node that has not heard itself for half a lease asks whether it can be heard, and claims nothing. Its subscription is
   * made anew only where Redis says the beats and they do not come back: a Redis that takes no writes says none, and what
   * others say over a subscription that stands must not be missed then.
   */
  #mode(): 'claim' | 'probe' {
    const { leaseMs, subscriber } = this.#options;
    const now = performance.now();
    if (now - this.#lastEcho <= leaseMs / 2) return 'claim';
    if (this.#unheardSince !== undefined && now - this.#unheardSince > leaseMs / 2) {
      this.#unheardSince = undefined;
      subscriber.restart();
    }
    return 'probe';
  }

  /** One after the other: heartbeats never overlap. */
  #enqueue(mode: 'announce' | 'claim' | 'probe'): Promise<void> {
    const beat = this.#beating.then(() => this.#beat(mode));
    this.#beating = beat.catch(() => {});
    return beat;
  }

  async #beat(mode: 'announce' | 'claim' | 'probe'): Promise<void> {
    const { connection, keys, terms, attached, sweeper, leaseMs } = this.#options;
    const { nodeId, incarnation } = this.#record;
    if (this.#state === 'withdrawn') return;
    const newcomers = attached.take(nodeId);
    const sentAt = performance.now();
    this.#beats += 1;
    const reply = await connection.run(SCRIPTS.registry.beat, registryKeyList(keys.registry), [
      keys.nodeEntries,
      nodeId,
      encode(this.#record),
      incarnation,
      leaseMs,
      this.#channel,
      mode,
      this.#beats,
      this.#anew || this.#putBacks > 0 ? '1' : '0',
      mode === 'announce' ? 0 : Math.max(terms.of(nodeId), this.#outrunBy),
      ...newcomers.sessionIds,
    ]);
    if (this.#lastEcho < sentAt) this.#unheardSince ??= sentAt;
    const [status, term, , dead] = REPLIES.beat.parse(reply);
    if (this.#isWithdrawn()) return;
    switch (status) {
      case 'probed':
        this.#trouble = unavailable('the own heartbeats do not come back');
        return;
      case 'superseded':
        this.#lose(new MeridianError('closed', { message: 'another process has announced this node id' }));
        return;
    }
    // Also renewed where Redis took a beat whose answer did not come: one that it found when it went on after standing still.
    if (status === 'registered' || term !== terms.of(nodeId)) this.#standsAnew(term, mode);
    newcomers.told();
    await this.#hold(term);
    if (this.#isWithdrawn()) return;
    this.#stands(sentAt);
    this.#sweeping = Promise.all([this.#sweeping, sweeper.sweep(sweeper.deadTerms(dead)), this.#checkQuietRooms()]);
  }

  #standsAnew(term: number, mode: 'announce' | 'claim' | 'probe'): void {
    const { terms, hosted, leaseMs } = this.#options;
    const { nodeId } = this.#record;
    this.#anew = mode !== 'announce';
    this.#begins = true;
    terms.set(nodeId, term, leaseMs);
    hosted.forget(nodeId);
  }

  /** The node's own keys live on together with its entry. */
  async #hold(term: number): Promise<void> {
    const { connection, keys, hosted, leaseMs } = this.#options;
    const { nodeId } = this.#record;
    const node = keys.node(nodeId);
    const stale = hosted.stale(nodeId);
    const reply = await connection.run(
      SCRIPTS.node.hold,
      [node.term, node.sessions, node.rooms],
      [term, leaseMs, this.#begins ? '1' : '0', ...stale.pairs],
    );
    this.#outrunBy = REPLIES.clock.parse(reply);
    if (this.#outrunBy > 0) return;
    this.#begins = false;
    stale.dropped();
  }

  #stands(sentAt: number): void {
    const { leaseMs } = this.#options;
    clearTimeout(this.#expiry);
    const leftMs = Math.max(0, leaseMs - (performance.now() - sentAt));
    this.#expiry = setTimeout(() => this.#lose(this.#trouble ?? new Error('no heartbeat got through')), leftMs);
    const returned = this.#anew || this.#state === 'lost';
    this.#anew = false;
    this.#trouble = undefined;
    this.#state = 'announced';
    this.#options.terms.setLost(this.#record.nodeId, false);
    if (!returned) return;
    this.#options.logger.info({ nodeId: this.#record.nodeId }, 'the node is announced again');
    this.#events.emit('restored');
  }

  #lose(cause: unknown): void {
    if (this.#state !== 'announced') return;
    this.#state = 'lost';
    this.#options.terms.setLost(this.#record.nodeId, true);
    clearTimeout(this.#expiry);
    this.#options.logger.warn({ err: cause, nodeId: this.#record.nodeId }, 'the node has dropped out of the cluster');
    this.#events.emit('lost', cause);
  }

  #isWithdrawn(): boolean {
    return this.#state === 'withdrawn';
  }

  /** Takes rooms out of the index that were hinted at and never joined, or ended from elsewhere. */
  async #checkQuietRooms(): Promise<void> {
    const { hosted, rooms, revisions, logger } = this.#options;
    const { nodeId } = this.#record;
    for (const roomId of hosted.quiet(nodeId, QUIET_MS, MOST_CHECKED)) {
      try {
        const nodes = await rooms.nodesOf(roomId);
        if (nodes.includes(nodeId)) hosted.touch(nodeId, roomId);
        else {
          hosted.left(nodeId, roomId);
          revisions.left(nodeId, roomId, 0);
        }
      } catch (error) {
        logger.debug({ err: error }, 'a quiet room could not be checked');
        return;
      }
    }
  }
}

function isBeat(text: string, incarnation: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('t' in value) || !('incarnation' in value)) return false;
    return value.t === 'beat' && value.incarnation === incarnation;
  } catch {
    return false;
  }
}
