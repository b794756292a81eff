import { isMeridianError, MeridianError, type NodeId, type SessionId } from '@meridian/protocol';
import { type Backoff, backoffMs } from '../backoff.ts';
import { type Clock, pause } from '../clock.ts';
import type { Pull } from '../relay/wants.ts';

/** Who publishes something, and where. */
export interface Published {
  readonly sessionId: SessionId;
  readonly nodeId: NodeId;
}

/** Where subscriptions of one kind (media or data) come from. */
export interface SubscriptionSource<Id extends string, P extends Published, Opened> {
  /** As the room's state says now. */
  find(id: Id): P | undefined;
  isLocal(published: P): boolean;
  /** Claims something of another node. */
  pull(id: Id, published: P): Pull;
  consume(id: Id, published: P): Promise<Opened>;
  /** Closes a consumer. */
  close(opened: Opened): void;
  /** A subscription that was followed is open: the client has to be told. */
  announce(opened: Opened): void;
}

export interface SubscriptionsOptions<Id extends string, P extends Published, Opened> {
  readonly source: SubscriptionSource<Id, P, Opened>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backoff?: Backoff;
  /** Subscriptions that may be open at once; what is followed beyond that waits. */
  readonly most?: number;
  /** A subscription could not be opened; it is tried again if it is followed. */
  readonly onFailure: (id: Id, error: unknown) => void;
}

interface Entry<Opened> {
  readonly stop: AbortController;
  readonly opening: Promise<Opened>;
  readonly ended: PromiseWithResolvers<void>;
  opened: Opened | undefined;
}

const USUAL: Backoff = { firstMs: 200, mostMs: 5_000 };

/** What one participant receives. At most one consumer per producer; relayed ones hold a claim on the relay. */
export class Subscriptions<Id extends string, P extends Published, Opened> {
  readonly #options: SubscriptionsOptions<Id, P, Opened>;
  readonly #entries = new Map<Id, Entry<Opened>>();
  readonly #followed = new Map<Id, AbortController>();
  #closed = false;

  constructor(options: SubscriptionsOptions<Id, P, Opened>) {
    this.#options = options;
  }

  /** Does anything of this node wait or run here? */
  concerns(nodeId: NodeId): boolean {
    return [...this.#entries.keys(), ...this.#followed.keys()].some(
      (id) => this.#options.source.find(id)?.nodeId === nodeId,
    );
  }

  /**
   * The one consumer of this producer; opened when there is none.
   * @throws MeridianError `producer-not-found`, `too-many-consumers`, `cannot-consume`, `closed`; whatever else the media says
   */
  subscribe(id: Id): Promise<Opened> {
    if (this.#closed) return Promise.reject(new MeridianError('closed'));
    const known = this.#entries.get(id);
    if (known !== undefined) return known.opening;
    const published = this.#options.source.find(id);
    if (published === undefined) return Promise.reject(new MeridianError('producer-not-found'));
    if (this.#entries.size >= (this.#options.most ?? Number.POSITIVE_INFINITY)) {
      return Promise.reject(new MeridianError('too-many-consumers'));
    }
    const stop = new AbortController();
    const ended = Promise.withResolvers<void>();
    const entry: Entry<Opened> = { stop, ended, opened: undefined, opening: this.#open(id, published, stop.signal) };
    this.#entries.set(id, entry);
    entry.opening.then(
      (opened) => {
        entry.opened = opened;
      },
      () => this.#end(id, entry),
    );
    return entry.opening;
  }

  /** Keeps a subscription to it for as long as it is published, and announces it each time it opens. */
  follow(id: Id): void {
    if (this.#closed || this.#followed.has(id)) return;
    const stop = new AbortController();
    this.#followed.set(id, stop);
    void this.#keep(id, stop.signal);
  }

  /** The producer is gone or not wanted any more: neither followed nor open from now on. */
  forget(id: Id): void {
    this.#followed.get(id)?.abort();
    this.#followed.delete(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#end(id, entry);
  }

  /** The media has closed a consumer of this producer by itself. */
  consumerClosed(id: Id, isThis: (opened: Opened) => boolean): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || (entry.opened !== undefined && !isThis(entry.opened))) return;
    this.#end(id, entry, { consumerIsClosed: true });
  }

  /** The open subscription that fits, if there is one. */
  find(fits: (opened: Opened) => boolean): { id: Id; opened: Opened } | undefined {
    for (const [id, { opened }] of this.#entries) if (opened !== undefined && fits(opened)) return { id, opened };
    return undefined;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#followed.keys(), ...this.#entries.keys()]) this.forget(id);
  }

  async #open(id: Id, published: P, signal: AbortSignal): Promise<Opened> {
    const { source } = this.#options;
    const pull = source.isLocal(published) ? undefined : source.pull(id, published);
    signal.addEventListener('abort', () => pull?.release(), { once: true });
    if (pull !== undefined) await abortable(pull.ready, signal);
    if (signal.aborted) throw new MeridianError('closed');
    const opened = await source.consume(id, published);
    if (signal.aborted) {
      source.close(opened);
      throw new MeridianError('closed');
    }
    return opened;
  }

  #end(id: Id, entry: Entry<Opened>, options: { consumerIsClosed: boolean } = { consumerIsClosed: false }): void {
    if (this.#entries.get(id) === entry) this.#entries.delete(id);
    if (entry.stop.signal.aborted) return;
    entry.stop.abort();
    if (entry.opened !== undefined && !options.consumerIsClosed) this.#options.source.close(entry.opened);
    entry.ended.resolve();
  }

  async #keep(id: Id, signal: AbortSignal): Promise<void> {
    const { source, clock, random, backoff = USUAL, onFailure } = this.#options;
    for (let attempt = 0; !signal.aborted && source.find(id) !== undefined; attempt++) {
      try {
        const opened = await this.subscribe(id);
        const entry = this.#entries.get(id);
        if (signal.aborted) return;
        if (entry?.opened === opened) {
          source.announce(opened);
          attempt = 0;
          await entry.ended.promise;
        }
      } catch (error) {
        if (signal.aborted) return;
        onFailure(id, error);
        // The device will not learn another codec.
        if (isMeridianError(error, 'cannot-consume')) return;
      }
      await pause(clock, backoffMs(backoff, attempt, random()), signal);
    }
    if (this.#followed.get(id)?.signal === signal) this.#followed.delete(id);
  }
}

/** Rejects with `closed` as soon as the signal aborts. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new MeridianError('closed'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
