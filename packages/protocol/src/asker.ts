import type { z } from 'zod';
import { MeridianError } from './errors.ts';
import { parseOrThrow } from './parse.ts';
import {
  NOTIFICATIONS,
  type NotificationData,
  type NotificationName,
  REQUESTS,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type ServerFrame,
} from './signalling.ts';

// As tables of their types: TypeScript does not follow a method through the table of schemas.
const REPLIES: { readonly [M in RequestMethod]: { readonly reply: z.ZodType<ReplyData<M>> } } = REQUESTS;
const SAID: { readonly [N in NotificationName]: z.ZodType<NotificationData<N>> } = NOTIFICATIONS;

/** What a notification of that name says. @throws MeridianError `internal` when it is not of the form */
export function readNotification<N extends NotificationName>(event: N, data: unknown): NotificationData<N> {
  return parseOrThrow(SAID[event], data, 'internal', event);
}

/**
 * The asking half of the signalling, whatever the line is: numbers what is asked, and gives each the answer that bears its
 * number. Waits for as long as it takes; the SDK, whose requests have deadlines and outlive a connection, keeps its own.
 */
export class Asker {
  readonly #send: (text: string) => void;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId: number;

  /** @param nextId where a resumed connection goes on counting */
  constructor(send: (text: string) => void, nextId = 1) {
    this.#send = send;
    this.#nextId = nextId;
  }

  /** The number that the next request will have. */
  get nextId(): number {
    return this.#nextId;
  }

  /** @throws MeridianError as the node answered; `internal` when the reply is not of the form; as `fail` was told */
  async request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    const reply = await this.ask(this.takeId(), { method, data });
    return parseOrThrow(REPLIES[method].reply, reply, 'internal', `reply to ${method}`);
  }

  /** Takes a number for a frame that is no request, such as a ping. */
  takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  /** A request that need not be one of the protocol's, or bears the number of an earlier one. Its reply is not looked at. */
  ask(id: number, { method, data }: { method: string; data: unknown }): Promise<unknown> {
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#send(JSON.stringify({ t: 'req', id, method, data }));
    return pending.promise;
  }

  /** Takes a frame of the node; those that answer nothing are none of its business. */
  hear(frame: ServerFrame): void {
    if (frame.t !== 'res' && frame.t !== 'err') return;
    const pending = this.#pending.get(frame.id);
    this.#pending.delete(frame.id);
    if (frame.t === 'res') pending?.resolve(frame.data);
    else pending?.reject(MeridianError.fromBody(frame.error));
  }

  /** The line has ended: nothing that is waiting will be answered. */
  fail(error: Error): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of waiting) reject(error);
  }
}
