import type { NodeInbox } from '@meridian/cluster';
import {
  BUS_REQUESTS,
  type BusMethod,
  type BusNotice,
  type BusNoticeData,
  type BusReplyData,
  type BusRequestData,
  MeridianError,
  NodeId,
  parseOrThrow,
  type RoomEventEnvelope,
} from '@meridian/protocol';
import type { z } from 'zod';

/** What becomes of one message on the bus. */
export type Fate = 'arrives' | 'request-lost' | 'reply-lost' | 'redis-down' | 'nobody-listens';

export interface FakeBusOptions {
  /** Waits as long as a message travels. */
  readonly travel: () => Promise<void>;
  /** Waits until a request counts as unanswered. */
  readonly deadline: () => Promise<void>;
  readonly fate?: (method: BusMethod | BusNotice) => Fate;
}

type Handlers = {
  [M in BusMethod]?: (
    data: BusRequestData<M>,
    context: { from: NodeId; signal: AbortSignal },
  ) => Promise<BusReplyData<M>>;
};
type NoticeHandlers = { [N in BusNotice]?: (data: BusNoticeData<N>, from: NodeId) => void };

const REQUEST_SCHEMAS: { readonly [M in BusMethod]: { readonly request: z.ZodType<BusRequestData<M>> } } = BUS_REQUESTS;

/** The bus between nodes of one test: keeps the order of messages from one node to another, as pub/sub does. */
export class FakeBus {
  readonly #options: FakeBusOptions;
  readonly #inboxes = new Map<NodeId, FakeInbox>();
  readonly #channels = new Map<string, Promise<void>>();
  readonly sent: string[] = [];

  constructor(options: FakeBusOptions) {
    this.#options = options;
  }

  inbox(name: string): FakeInbox {
    const nodeId = NodeId.parse(name);
    const inbox = new FakeInbox(nodeId, this);
    this.#inboxes.set(nodeId, inbox);
    return inbox;
  }

  /** The node's process is gone: it neither hears nor says anything. */
  kill(name: string): void {
    this.#inboxes.delete(NodeId.parse(name));
  }

  async request<M extends BusMethod>(
    from: NodeId,
    to: NodeId,
    method: M,
    data: BusRequestData<M>,
    signal: AbortSignal | undefined,
  ): Promise<BusReplyData<M>> {
    this.sent.push(`${from}>${to} ${method}`);
    const fate = this.#options.fate?.(method) ?? 'arrives';
    if (fate === 'redis-down') throw new MeridianError('cluster-unavailable');
    if (fate === 'nobody-listens') throw new MeridianError('node-unknown');
    if (!this.#inboxes.has(from)) return await new Promise<never>(() => {});
    const copy = parseOrThrow(REQUEST_SCHEMAS[method].request, JSON.parse(JSON.stringify(data)));
    const answer = Promise.withResolvers<BusReplyData<M>>();
    const deliver = async () => {
      const target = this.#inboxes.get(to);
      if (target === undefined) {
        answer.reject(new MeridianError('node-unknown'));
        return;
      }
      if (fate === 'request-lost') return;
      const handling = target.serve(method, copy, from);
      void handling.then(
        async (reply) => {
          await this.#inOrder(`${to}>${from}`);
          if (fate !== 'reply-lost') answer.resolve(reply);
        },
        async (error: unknown) => {
          await this.#inOrder(`${to}>${from}`);
          if (fate !== 'reply-lost') answer.reject(error);
        },
      );
    };
    void this.#inOrder(`${from}>${to}`).then(deliver);
    void this.#options.deadline().then(() => answer.reject(new MeridianError('deadline-exceeded')));
    signal?.addEventListener('abort', () => answer.reject(new MeridianError('closed')), { once: true });
    return await answer.promise;
  }

  async notify<N extends BusNotice>(from: NodeId, to: NodeId, notice: N, data: BusNoticeData<N>): Promise<boolean> {
    const fate = this.#options.fate?.(notice) ?? 'arrives';
    if (fate === 'redis-down') throw new MeridianError('cluster-unavailable');
    if (fate === 'nobody-listens') return false;
    void this.#inOrder(`${from}>${to}`).then(() => {
      if (fate === 'arrives') this.#inboxes.get(to)?.hear(notice, data, from);
    });
    return this.#inboxes.has(to);
  }

  #inOrder(channel: string): Promise<void> {
    const arrived = Promise.all([this.#channels.get(channel), this.#options.travel()]).then(() => {});
    this.#channels.set(channel, arrived);
    return arrived;
  }
}

export class FakeInbox implements NodeInbox {
  readonly nodeId: NodeId;
  readonly #bus: FakeBus;
  readonly #handlers: Handlers = {};
  readonly #notices: NoticeHandlers = {};

  constructor(nodeId: NodeId, bus: FakeBus) {
    this.nodeId = nodeId;
    this.#bus = bus;
  }

  handle<M extends BusMethod>(method: M, handler: NonNullable<Handlers[M]>): void {
    this.#handlers[method] = handler;
  }

  onNotice<N extends BusNotice>(notice: N, handler: NonNullable<NoticeHandlers[N]>): void {
    this.#notices[notice] = handler;
  }

  async serve<M extends BusMethod>(method: M, data: BusRequestData<M>, from: NodeId): Promise<BusReplyData<M>> {
    const handler = this.#handlers[method];
    if (handler === undefined) throw new MeridianError('unknown-message');
    return await handler(data, { from, signal: new AbortController().signal });
  }

  hear<N extends BusNotice>(notice: N, data: BusNoticeData<N>, from: NodeId): void {
    this.#notices[notice]?.(data, from);
  }

  request<M extends BusMethod>(
    to: NodeId,
    method: M,
    data: BusRequestData<M>,
    options: { signal?: AbortSignal } = {},
  ): Promise<BusReplyData<M>> {
    return this.#bus.request(this.nodeId, to, method, data, options.signal);
  }

  notify<N extends BusNotice>(to: NodeId, notice: N, data: BusNoticeData<N>): Promise<boolean> {
    return this.#bus.notify(this.nodeId, to, notice, data);
  }

  onRoomEvent(_handler: (envelope: RoomEventEnvelope) => void): void {}

  onGap(_handler: () => void): void {}

  async close(): Promise<void> {}
}
