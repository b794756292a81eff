import {
  BUS_NOTICES,
  BUS_REQUESTS,
  type BusEnvelope,
  type BusMethod,
  type BusNotice,
  type BusNoticeData,
  type BusReplyData,
  type BusRequestData,
  isMeridianError,
  MeridianError,
  NodeId,
  parseOrThrow,
  type RoomEventEnvelope,
  type RoomId,
} from '@meridian/protocol';
import { z } from 'zod';
import type { BusOutcome, ClusterLogger, ClusterObserver } from './api.ts';
import type { RedisClock } from './clock.ts';
import { Emitter } from './emitter.ts';
import type { Keys } from './keys.ts';
import type { NodeInbox } from './ports.ts';
import { RecentIds } from './recent-ids.ts';
import { ChannelMessage, encode } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { closedError } from './redis/failures.ts';
import type { Subscriber } from './redis/subscriber.ts';
import { RevisionTracker } from './room-revisions.ts';
import { SCRIPTS } from './scripts.ts';

const DEFAULT_TTL_MS = 3_000;
/** A notice counts as not heard when its receiver has not said otherwise by then. */
const HEARD_WITHIN_MS = 2_000;
/** Sign of life of an inbox in a Redis Cluster: lives so long, and is renewed three times in that time. */
const PRESENCE_MS = 6_000;

type RequestHandler<M extends BusMethod> = (
  data: BusRequestData<M>,
  context: { from: NodeId; signal: AbortSignal },
) => Promise<BusReplyData<M>>;
type NoticeHandler<N extends BusNotice> = (data: BusNoticeData<N>, from: NodeId) => void;
type Result = Extract<BusEnvelope, { t: 'res' }>['result'];
type RequestEnvelope = Extract<BusEnvelope, { t: 'req' }>;

const REQUESTS: {
  [M in BusMethod]: { request: z.ZodType<BusRequestData<M>>; reply: z.ZodType<BusReplyData<M>> };
} = BUS_REQUESTS;
const NOTICES: { [N in BusNotice]: z.ZodType<BusNoticeData<N>> } = BUS_NOTICES;

/** What can be answered even if the rest cannot be read. */
const RequestHead = z.object({ t: z.literal('req'), id: z.string().min(8).max(64), from: NodeId });

export interface NodeInboxOptions {
  readonly nodeId: NodeId;
  readonly connection: RedisConnection;
  readonly subscriber: Subscriber;
  readonly keys: Keys;
  readonly clock: RedisClock;
  readonly observe: ClusterObserver;
  readonly logger: ClusterLogger;
}

export class RedisNodeInbox implements NodeInbox {
  readonly nodeId: NodeId;
  readonly #options: NodeInboxOptions;
  readonly #tracker = new RevisionTracker();
  readonly #seen = new RecentIds(4_096);
  /** By what was sent and to whom: several nodes may get the same notice. */
  readonly #waiting = new Map<string, PromiseWithResolvers<Result>>();
  readonly #working = new Set<AbortController>();
  readonly #handlers: { [M in BusMethod]?: RequestHandler<M> } = {};
  readonly #notices: { [N in BusNotice]?: NoticeHandler<N>[] } = {};
  readonly #events: Emitter<{ event: [RoomEventEnvelope]; gap: [RoomId | undefined] }>;
  #closed = false;
  #stopListening: (() => void) | undefined;
  #presence: NodeJS.Timeout | undefined;

  constructor(options: NodeInboxOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.#events = new Emitter((error) => options.logger.error({ err: error }, 'a listener of the inbox threw'));
  }

  /** @throws MeridianError `cluster-unavailable` */
  async open(): Promise<void> {
    const { subscriber, keys, connection } = this.#options;
    this.#stopListening = await subscriber.listen(keys.channels + this.nodeId, {
      message: (text) => this.#receive(text),
      resubscribed: () => {
        this.#tracker.forget();
        this.#events.emit('gap', undefined);
      },
    });
    if (!connection.isCluster) return;
    await this.#showPresence();
    this.#presence = setInterval(() => {
      this.#showPresence().catch((error: unknown) =>
        this.#options.logger.debug({ err: error }, 'the inbox could not show that it lives'),
      );
    }, PRESENCE_MS / 3);
    this.#presence.unref();
  }

  handle<M extends BusMethod>(method: M, handler: RequestHandler<M>): void {
    const handlers: { [K in M]?: RequestHandler<K> } = this.#handlers;
    handlers[method] = handler;
  }

  onNotice<N extends BusNotice>(notice: N, handler: NoticeHandler<N>): void {
    const notices: { [K in N]?: NoticeHandler<K>[] } = this.#notices;
    notices[notice] = [...(notices[notice] ?? []), handler];
  }

  async request<M extends BusMethod>(
    to: NodeId,
    method: M,
    data: BusRequestData<M>,
    options: { ttlMs?: number; signal?: AbortSignal } = {},
  ): Promise<BusReplyData<M>> {
    const started = performance.now();
    let outcome: BusOutcome = 'internal';
    try {
      const reply = await this.#exchange(to, method, data, options);
      outcome = 'ok';
      return reply;
    } catch (error) {
      outcome = isMeridianError(error) ? error.code : options.signal?.aborted ? 'aborted' : 'internal';
      throw error;
    } finally {
      this.#options.observe.busRequest?.(method, performance.now() - started, outcome);
    }
  }

  async notify<N extends BusNotice>(
    to: NodeId,
    notice: N,
    data: BusNoticeData<N>,
    { id = newId() }: { id?: string } = {},
  ): Promise<boolean> {
    if (this.closed) throw closedError('the inbox');
    const sentAtMs = this.#options.clock.now();
    const envelope: BusEnvelope = { t: 'ntc', id, from: this.nodeId, notice, sentAtMs, ack: true, data };
    try {
      // That somebody listens is not enough: a subscription may be of a connection that is gone, or of a master of a Redis
      // Cluster that does not hear the others.
      await this.#sendAndWait('bus.notify', to, envelope, HEARD_WITHIN_MS);
      return true;
    } catch (error) {
      if (isMeridianError(error, 'node-unknown') || isMeridianError(error, 'deadline-exceeded')) return false;
      throw error;
    }
  }

  onRoomEvent(handler: (envelope: RoomEventEnvelope) => void): void {
    this.#events.on('event', handler);
  }

  onGap(handler: (roomId?: RoomId) => void): void {
    this.#events.on('gap', handler);
  }

  /** The node's people have entered a room here: events after `before` must come. */
  entered(roomId: RoomId, before: number, anew: boolean): void {
    if (this.#tracker.entered(roomId, before, anew)) this.#events.emit('gap', roomId);
  }

  left(roomId: RoomId, last: number): void {
    this.#tracker.left(roomId, last);
  }

  get closed(): boolean {
    return this.#closed;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(closedError('the inbox'));
    clearInterval(this.#presence);
    this.#stopListening?.();
    for (const work of this.#working) work.abort(closedError('the inbox'));
    if (this.#presence === undefined) return;
    const { connection, keys, logger } = this.#options;
    const { inbox } = keys.node(this.nodeId);
    await connection
      .send('bus.presence', (client) => client.del(inbox))
      .catch((error: unknown) => logger.debug({ err: error }, 'the sign of life of the inbox expires by itself'));
  }

  async #exchange<M extends BusMethod>(
    to: NodeId,
    method: M,
    data: BusRequestData<M>,
    { ttlMs = DEFAULT_TTL_MS, signal }: { ttlMs?: number; signal?: AbortSignal },
  ): Promise<BusReplyData<M>> {
    if (this.closed) throw closedError('the inbox');
    signal?.throwIfAborted();
    const sentAtMs = this.#options.clock.now();
    const envelope: BusEnvelope = { t: 'req', id: newId(), from: this.nodeId, method, sentAtMs, ttlMs, data };
    const result = await this.#sendAndWait('bus.request', to, envelope, ttlMs, signal);
    if (!result.ok) throw MeridianError.fromBody(result.error);
    return parseOrThrow(REQUESTS[method].reply, result.data, 'internal', `the answer of ${to} to ${method}`);
  }

  /** @throws MeridianError `node-unknown` when nobody listens, `deadline-exceeded`, `cluster-unavailable` */
  async #sendAndWait(
    command: string,
    to: NodeId,
    envelope: Extract<BusEnvelope, { t: 'req' | 'ntc' }>,
    ttlMs: number,
    signal?: AbortSignal,
  ): Promise<Result> {
    const what = envelope.t === 'req' ? envelope.method : envelope.notice;
    const pending = Promise.withResolvers<Result>();
    // The sending may fail first; nobody looks at this one then.
    pending.promise.catch(() => {});
    const abort = () => pending.reject(signal?.reason);
    const late = () =>
      pending.reject(
        new MeridianError('deadline-exceeded', { message: `${to} did not answer ${what} within ${ttlMs} ms.` }),
      );
    const timer = setTimeout(late, ttlMs);
    signal?.addEventListener('abort', abort, { once: true });
    const awaited = `${envelope.id} ${to}`;
    this.#waiting.set(awaited, pending);
    try {
      const heard = await Promise.race([this.#send(command, to, envelope), pending.promise]);
      if (heard === false) {
        throw new MeridianError('node-unknown', { message: `No node ${to} listens on the bus.` });
      }
      return await pending.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.#waiting.delete(awaited);
    }
  }

  /** Returns whether somebody listens there. */
  async #send(command: string, to: NodeId, envelope: BusEnvelope): Promise<boolean> {
    const { connection, keys } = this.#options;
    const channel = keys.channels + to;
    const text = encode(envelope);
    if (!connection.isCluster) return (await connection.send(command, (client) => client.publish(channel, text))) > 0;
    // In the receiver's slot, so that all messages to it go through one master and keep their order.
    return (await connection.run(SCRIPTS.bus.say, [keys.node(to).inbox], [channel, text])) === 1;
  }

  async #showPresence(): Promise<void> {
    const { connection, keys } = this.#options;
    const { inbox } = keys.node(this.nodeId);
    await connection.send('bus.presence', (client) => client.set(inbox, '1', 'PX', PRESENCE_MS));
  }

  #receive(text: string): void {
    if (this.closed) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.#options.logger.warn({}, 'a message on the bus is not JSON; it is dropped');
      return;
    }
    const parsed = ChannelMessage.safeParse(value);
    if (!parsed.success) {
      this.#refuse(value);
      return;
    }
    const message = parsed.data;
    switch (message.t) {
      case 'evt':
        this.#roomEvent({ roomId: message.roomId, revision: message.revision, event: message.event });
        return;
      case 'beat':
        return;
      case 'res':
        // An answer nobody waits for any more is late.
        this.#waiting.get(`${message.id} ${message.from}`)?.resolve(message.result);
        return;
      case 'req':
        if (this.#seen.add(message.id)) void this.#serve(message);
        return;
      case 'ntc':
        // Said again because the answer was lost, it is answered again.
        if (this.#seen.add(message.id)) this.#notice(message.notice, message.data, message.from);
        if (message.ack) void this.#reply(message.from, message.id, { ok: true, data: {} });
        return;
    }
  }

  #roomEvent(envelope: RoomEventEnvelope): void {
    const verdict = this.#tracker.event(envelope.roomId, envelope.revision);
    if (verdict === 'old') return;
    if (verdict === 'gap') this.#events.emit('gap', envelope.roomId);
    this.#events.emit('event', envelope);
    if (envelope.event.type === 'room-ended') this.#tracker.forget(envelope.roomId);
  }

  #notice<N extends BusNotice>(notice: N, raw: unknown, from: NodeId): void {
    const { logger } = this.#options;
    const parsed = NOTICES[notice].safeParse(raw);
    if (!parsed.success) {
      logger.warn({ notice, from }, 'a notice of the bus is not of the expected form; it is dropped');
      return;
    }
    const notices: { [K in N]?: NoticeHandler<K>[] } = this.#notices;
    for (const handler of notices[notice] ?? []) {
      try {
        handler(parsed.data, from);
      } catch (error) {
        logger.error({ err: error, notice, from }, 'the handler of a notice threw');
      }
    }
  }

  async #serve(request: RequestEnvelope): Promise<void> {
    const { clock, logger } = this.#options;
    const leftMs = request.sentAtMs + request.ttlMs - clock.now();
    if (leftMs <= 0) {
      logger.debug({ method: request.method, from: request.from }, 'a request of the bus has expired; it is dropped');
      return;
    }
    const result = await this.#work(request.method, request, Math.min(leftMs, request.ttlMs));
    await this.#reply(request.from, request.id, result);
  }

  async #work<M extends BusMethod>(method: M, request: RequestEnvelope, leftMs: number): Promise<Result> {
    const work = new AbortController();
    this.#working.add(work);
    const timer = setTimeout(() => work.abort(new MeridianError('deadline-exceeded')), leftMs);
    try {
      const handlers: { [K in M]?: RequestHandler<K> } = this.#handlers;
      const handler = handlers[method];
      if (handler === undefined) {
        throw new MeridianError('unknown-message', { message: `${this.nodeId} does not answer ${method}.` });
      }
      const data = parseOrThrow(REQUESTS[method].request, request.data, 'bad-request', method);
      const answer = await handler(data, { from: request.from, signal: work.signal });
      return { ok: true, data: answer };
    } catch (error) {
      if (!isMeridianError(error)) {
        this.#options.logger.error({ err: error, method, from: request.from }, 'the handler of a request threw');
      }
      return { ok: false, error: MeridianError.from(error).toBody() };
    } finally {
      clearTimeout(timer);
      this.#working.delete(work);
    }
  }

  /** A request of a kind that is not known here, or that cannot be read, still gets an answer. */
  #refuse(value: unknown): void {
    this.#options.logger.warn({}, 'a message on the bus is not of the expected form; it is dropped');
    const head = RequestHead.safeParse(value);
    if (!head.success || !this.#seen.add(head.data.id)) return;
    const error = new MeridianError('unknown-message', { message: `${this.nodeId} cannot read this request.` });
    void this.#reply(head.data.from, head.data.id, { ok: false, error: error.toBody() });
  }

  async #reply(to: NodeId, id: string, result: Result): Promise<void> {
    if (this.closed) return;
    try {
      await this.#send('bus.reply', to, { t: 'res', id, from: this.nodeId, result });
    } catch (error) {
      this.#options.logger.warn({ err: error, to }, 'an answer could not be sent; its asker runs into the deadline');
    }
  }
}

function newId(): string {
  return crypto.randomUUID();
}
