import {
  assertNever,
  type ConsumerId,
  type DataProducerInfo,
  type Epoch,
  isNotificationName,
  MeridianError,
  NOTIFICATIONS,
  type NotificationData,
  type NotificationName,
  type Participant,
  type ProducerId,
  type ProducerInfo,
  parseJson,
  parseOrThrow,
  REQUESTS,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type ResumePoint,
  type RoomId,
  ServerFrame,
  type SessionId,
} from '@meridian/protocol';
import type { SocketPair } from '@meridian/sfu-node/kit';
import type { z } from 'zod';
import type { ModelNode } from './node.ts';

const REPLIES: { readonly [M in RequestMethod]: { readonly reply: z.ZodType<ReplyData<M>> } } = REQUESTS;

/** So many notifications are shown with a violation. */
const HEARD = 12;

/** Why an attachment may be over: it left, it was cut off, a newer page came, it was kicked, ... */
export type Excuse = 'left' | 'cut' | 'newer' | 'kick' | 'end' | 'killed' | 'worker' | 'refused' | 'drain';

/**
 * One attachment as its page sees it: what the join's reply said and what was notified since, and nothing else. A
 * change that does not fit what the page knows (a second join of somebody who is there, the end of something that it
 * never heard of) is a violation.
 */
export class ModelClient {
  readonly sessionId: SessionId;
  readonly participants = new Map<SessionId, Participant>();
  readonly producers = new Map<ProducerId, ProducerInfo>();
  readonly dataProducers = new Map<string, DataProducerInfo>();
  readonly consumers = new Map<ConsumerId, ProducerId>();
  readonly chat = new Map<string, number>();
  readonly violations: string[] = [];
  readonly welcomed = Promise.withResolvers<NotificationData<'welcome'>>();
  welcome: NotificationData<'welcome'> | undefined;
  node: ModelNode;
  roomId: RoomId | undefined;
  joined: ReplyData<'join'> | undefined;
  /** Its last words to us. */
  farewell: NotificationData<'session-ended'> | undefined;
  mediaLost = false;
  /** Its participant went to another node and came back: the room has it under the epoch of its return. */
  returned = false;
  moveAsked = 0;
  closeInfo: { code: number; reason: string } | undefined;
  /** What was done that may put it out. */
  readonly excuses = new Set<Excuse>();
  /** When its connection was broken, by virtual time. */
  cutAtMs: number | undefined;
  #socket: SocketPair;
  #connection = 0;
  #closed = Promise.withResolvers<void>();
  #resumed: PromiseWithResolvers<NotificationData<'welcome'>> | undefined;
  #seq = 0;
  #nextId = 1;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #redisForgot: () => boolean;
  /** What it heard last: for understanding a violation. */
  readonly #heard: string[] = [];

  /** @param redisForgot has Redis lost everything just now? */
  constructor(node: ModelNode, sessionId: SessionId, token: string, redisForgot: () => boolean) {
    this.node = node;
    this.sessionId = sessionId;
    this.#redisForgot = redisForgot;
    this.welcomed.promise.catch(() => {});
    this.#socket = this.#open(token);
  }

  get open(): boolean {
    return this.closeInfo === undefined;
  }

  /** In the room, as far as it was told. */
  get inRoom(): boolean {
    return this.joined !== undefined && !this.mediaLost && this.farewell === undefined;
  }

  get epoch(): Epoch | undefined {
    return this.welcome?.epoch;
  }

  /** Where a lost connection can be taken up again. */
  get resumePoint(): ResumePoint | undefined {
    return this.welcome === undefined || this.#seq === 0 ? undefined : { epoch: this.welcome.epoch, seq: this.#seq };
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Connects again in the place of the lost connection. Resolves with what the node says to it. @throws when refused */
  resume(token: string): Promise<NotificationData<'welcome'>> {
    const point = this.resumePoint;
    if (point === undefined) throw new Error('there is nothing to resume');
    this.closeInfo = undefined;
    this.#closed = Promise.withResolvers<void>();
    const resumed = Promise.withResolvers<NotificationData<'welcome'>>();
    resumed.promise.catch(() => {});
    this.#resumed = resumed;
    this.#socket = this.#open(token, point);
    return resumed.promise;
  }

  async request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    if (!this.open) throw new MeridianError('session-lost');
    const id = this.#nextId++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#socket.send(JSON.stringify({ t: 'req', id, method, data }));
    const reply = parseOrThrow(REPLIES[method].reply, await pending.promise, 'internal', `reply to ${method}`);
    return reply;
  }

  /** @throws MeridianError as the node answered */
  async join(roomId: RoomId, roomToken: string, handover = false): Promise<void> {
    // What is notified next builds on this; each frame comes in a turn of its own, so nothing comes in between.
    this.#take(roomId, await this.request('join', { roomToken, rtpCapabilities: {}, handover }));
  }

  close(): void {
    this.#socket.close();
  }

  cut(): void {
    this.#socket.cut();
  }

  #take(roomId: RoomId, joined: ReplyData<'join'>): void {
    this.roomId = roomId;
    this.joined = joined;
    this.mediaLost = false;
    for (const map of [this.participants, this.producers, this.dataProducers, this.consumers]) map.clear();
    for (const one of joined.participants) this.participants.set(one.sessionId, one);
    for (const one of joined.producers) this.producers.set(one.producerId, one);
    for (const one of joined.dataProducers) this.dataProducers.set(one.dataProducerId, one);
    if (!this.participants.has(this.sessionId)) this.#violation('the joiner is not in the snapshot of its own join');
  }

  #open(token: string, resume?: ResumePoint): SocketPair {
    const connection = ++this.#connection;
    return this.node.connect(
      {
        message: (text) => {
          if (connection === this.#connection) this.#receive(text);
        },
        closed: (code, reason) => {
          if (connection === this.#connection) this.#end(code, reason);
        },
      },
      token,
      resume,
    );
  }

  #end(code: number, reason: string): void {
    this.closeInfo = { code, reason };
    const error = new MeridianError('session-lost', { message: `closed with ${code} ${reason}` });
    this.welcomed.reject(error);
    this.#resumed?.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#closed.resolve();
  }

  #receive(text: string): void {
    const frame = parseJson(ServerFrame, text, 'internal', 'server frame');
    switch (frame.t) {
      case 'res':
        this.#pending.get(frame.id)?.resolve(frame.data);
        this.#pending.delete(frame.id);
        break;
      case 'err':
        this.#pending.get(frame.id)?.reject(MeridianError.fromBody(frame.error));
        this.#pending.delete(frame.id);
        break;
      case 'ntf':
        this.#notified(frame.seq, frame.event, frame.data);
        break;
      case 'pong':
        break;
      default:
        assertNever(frame);
    }
  }

  #notified(seq: number, event: string, raw: unknown): void {
    if (!isNotificationName(event)) throw new Error(`unknown notification ${event}`);
    if (event === 'welcome') {
      this.#greeted(seq, parseOrThrow(NOTIFICATIONS.welcome, raw, 'internal', event));
      return;
    }
    if (seq !== this.#seq + 1) this.#violation(`notification ${seq} came after ${this.#seq}`);
    this.#seq = seq;
    this.#heard.push(`${event} ${JSON.stringify(raw).slice(0, 160)}`);
    if (this.#heard.length > HEARD) this.#heard.shift();
    this.#apply(event, raw);
  }

  #greeted(seq: number, welcome: NotificationData<'welcome'>): void {
    const expected = welcome.resumed ? this.#seq : 1;
    if (seq !== expected) this.#violation(`a welcome bears the number ${seq}, not ${expected}`);
    if (this.welcome !== undefined && welcome.epoch <= this.welcome.epoch) this.#violation('the epoch did not rise');
    this.#seq = seq;
    this.welcome = welcome;
    if (!welcome.resumed) this.joined = undefined;
    this.welcomed.resolve(welcome);
    this.#resumed?.resolve(welcome);
    this.#resumed = undefined;
  }

  #apply(name: NotificationName, raw: unknown): void {
    const as = <N extends NotificationName>(event: N): NotificationData<N> =>
      parseOrThrow<z.ZodType<NotificationData<N>>>(SCHEMAS[event], raw, 'internal', event);
    switch (name) {
      case 'participant-joined': {
        const { participant } = as(name);
        if (this.joined === undefined) this.#violation('news of the room came before the reply to the join');
        const known = this.participants.get(participant.sessionId);
        // A Redis that has lost everything holds whoever is put back first: a newer page may come after an older one.
        const goesBack = known !== undefined && known.epoch > participant.epoch && !this.#redisForgot();
        if (known !== undefined && (known.epoch === participant.epoch || goesBack)) {
          this.#violation(`${participant.sessionId} joined who was there in the same connection`);
        }
        this.participants.set(participant.sessionId, participant);
        break;
      }
      case 'participant-left':
        if (!this.participants.delete(as(name).sessionId))
          this.#violation(`${as(name).sessionId} left who was not there`);
        break;
      case 'participant-updated': {
        const { participant } = as(name);
        if (!this.participants.has(participant.sessionId)) {
          this.#violation(`${participant.sessionId} changed who was not there`);
        }
        this.participants.set(participant.sessionId, participant);
        break;
      }
      case 'producer-opened': {
        const { producer } = as(name);
        if (this.producers.has(producer.producerId)) this.#violation(`producer ${producer.producerId} opened twice`);
        if (!this.participants.has(producer.sessionId)) this.#violation('a producer of nobody in the room opened');
        this.producers.set(producer.producerId, producer);
        break;
      }
      case 'producer-updated': {
        const { producerId, paused } = as(name);
        const known = this.producers.get(producerId);
        if (known === undefined) this.#violation(`producer ${producerId} changed which was not there`);
        else this.producers.set(producerId, { ...known, paused });
        break;
      }
      case 'producer-closed':
        if (!this.producers.delete(as(name).producerId)) {
          this.#violation(`producer ${as(name).producerId} closed which was not there`);
        }
        break;
      case 'data-producer-opened': {
        const { dataProducer } = as(name);
        if (this.dataProducers.has(dataProducer.dataProducerId)) this.#violation('a data producer opened twice');
        this.dataProducers.set(dataProducer.dataProducerId, dataProducer);
        break;
      }
      case 'data-producer-closed':
        if (!this.dataProducers.delete(as(name).dataProducerId)) {
          this.#violation('a data producer closed which was not there');
        }
        break;
      case 'consumer-opened': {
        const { consumerId, producerId } = as(name);
        if ([...this.consumers.values()].includes(producerId)) this.#violation(`two consumers of ${producerId}`);
        this.consumers.set(consumerId, producerId);
        break;
      }
      case 'consumer-closed':
        if (!this.consumers.delete(as(name).consumerId)) this.#violation('a consumer closed which was not there');
        break;
      case 'chat': {
        const { id } = as(name).message;
        this.chat.set(id, (this.chat.get(id) ?? 0) + 1);
        if (this.chat.get(id) !== 1) this.#violation(`chat line ${id} came twice`);
        break;
      }
      case 'media-lost':
        this.mediaLost = true;
        this.consumers.clear();
        break;
      case 'session-ended':
        this.farewell = as(name);
        break;
      case 'move-asked':
        this.moveAsked += 1;
        break;
      case 'welcome':
      case 'session-token':
      case 'consumer-updated':
      case 'consumer-layers':
      case 'consumer-score':
      case 'data-consumer-opened':
      case 'data-consumer-closed':
      case 'active-speakers':
      case 'relay-trouble':
        break;
      default:
        assertNever(name);
    }
  }

  #violation(what: string): void {
    const heard = this.#heard.map((one) => `\n      heard ${one}`).join('');
    this.violations.push(`${this.sessionId} at ${this.node.nodeId}: ${what}${heard}`);
  }
}

const SCHEMAS: { readonly [N in NotificationName]: z.ZodType<NotificationData<N>> } = NOTIFICATIONS;
