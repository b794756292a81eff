import type { Redis } from 'ioredis';
import type { ClusterLogger } from '../api.ts';
import { backOffMs, subscriberClient } from './clients.ts';
import { closedError, unavailable } from './failures.ts';
import type { Address, RedisTarget } from './url.ts';

/** How often the subscribed connection is tried, milliseconds. */
const PING_MS = 2_000;

export interface ChannelListener {
  message(text: string): void;
  /** The subscription stood still and stands again: messages may be lost. */
  resubscribed(): void;
}

export interface SubscriberOptions {
  readonly target: RedisTarget;
  readonly timeoutMs: number;
  readonly logger: ClusterLogger;
  /** Nodes of a Redis Cluster that are known now. */
  readonly knownAddresses: () => Address[];
}

/** One connection for all channels of this process. Opened with the first channel; comes back by itself. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #channels = new Map<string, Set<ChannelListener>>();
  /** The present connection, which may be on its way. */
  #connection: Redis | undefined;
  /** The same once everything is subscribed on it. */
  #client: Redis | undefined;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  /**
   * Resolves with what ends it once the subscription stands.
   * @throws MeridianError `cluster-unavailable`, `closed`
   */
  async listen(channel: string, listener: ChannelListener): Promise<() => void> {
    if (this.#closed) throw closedError('the subscriber');
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners);
    listeners.add(listener);
    const stop = () => this.#forget(channel, listener);
    try {
      await this.#stands(channel);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  /** Drops the connection and makes a new one: messages do not come through it any more. */
  restart(): void {
    this.#client?.disconnect();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channels.clear();
    this.#connection?.disconnect();
    this.#wake?.();
  }

  #forget(channel: string, listener: ChannelListener): void {
    const listeners = this.#channels.get(channel);
    if (!listeners?.delete(listener) || listeners.size > 0) return;
    this.#channels.delete(channel);
    this.#client?.unsubscribe(channel).catch(() => {
      // A connection that is gone has no subscriptions either.
    });
  }

  /** Waits until Redis has confirmed the channel on the present connection. */
  async #stands(channel: string): Promise<void> {
    const deadline = performance.now() + this.#options.timeoutMs;
    this.#running ??= this.#run();
    for (;;) {
      const client = this.#client;
      if (client?.status === 'ready') {
        try {
          await client.subscribe(channel);
          return;
        } catch (error) {
          if (performance.now() >= deadline) throw unavailable('subscribe', error);
        }
      }
      if (this.#closed) throw closedError('the subscriber');
      if (performance.now() >= deadline) throw unavailable('subscribe: no connection');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #run(): Promise<void> {
    let first = true;
    for (let attempt = 0; !this.#closed; attempt += 1) {
      const client = subscriberClient(
        this.#options.target,
        this.#options.timeoutMs,
        this.#options.knownAddresses(),
        attempt,
      );
      this.#connection = client;
      client.on('error', (error: Error) => this.#options.logger.debug({ err: error }, 'redis subscriber error'));
      client.on('message', (channel: string, text: string) => this.#deliver(channel, text));
      try {
        await this.#serve(client, first);
        attempt = 0;
      } catch (error) {
        this.#options.logger.debug({ err: error }, 'the subscription could not be set up');
      } finally {
        client.disconnect();
        this.#connection = undefined;
        this.#client = undefined;
      }
      first = false;
      if (!this.#closed) await this.#pause(backOffMs(attempt));
    }
  }

  /** Subscribes to everything and stays until the connection ends. @throws when it never came up. */
  async #serve(client: Redis, first: boolean): Promise<void> {
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    await client.connect();
    if (this.#closed) return;
    const channels = [...this.#channels.keys()];
    if (channels.length > 0) await client.subscribe(...channels);
    this.#client = client;
    if (!first) {
      this.#options.logger.info({ channels: channels.length }, 'the subscription stands again');
      for (const listeners of this.#channels.values()) for (const listener of [...listeners]) listener.resubscribed();
    }
    const ping = setInterval(() => {
      client.ping().catch((error: unknown) => {
        // A server that answers, be it only to say that it cannot save its data, carries messages all the same.
        if (!(error instanceof Error && error.name === 'ReplyError')) client.disconnect();
      });
    }, PING_MS);
    try {
      await ended;
    } finally {
      clearInterval(ping);
    }
  }

  #deliver(channel: string, text: string): void {
    for (const listener of [...(this.#channels.get(channel) ?? [])]) listener.message(text);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      this.#wake = done;
      function done() {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}
