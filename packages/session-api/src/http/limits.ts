import rateLimit from '@fastify/rate-limit';
import { MeridianError } from '@meridian/protocol';
import type { SessionApiConfig } from '../config.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { SharedCounter } from '../limits/shared-counter.ts';
import type { App } from './route.ts';

const MINUTE_MS = 60_000;

/** `config.rateLimit` of the routes that are limited more tightly. */
export const signInLimit = (config: SessionApiConfig) => ({ max: config.signInsPerMinute, timeWindow: MINUTE_MS });
export const guestLimit = (config: SessionApiConfig) => ({ max: config.guestsPerMinute, timeWindow: MINUTE_MS });
export const createRoomLimit = (config: SessionApiConfig) => ({ max: config.roomsPerMinute, timeWindow: MINUTE_MS });

/**
 * Requests per address and minute (IPv6: per /64), counted over all instances. Pages, probes and metrics are not
 * counted.
 */
export async function registerLimits(app: App, config: SessionApiConfig, limiter: Limiter): Promise<void> {
  await app.register(rateLimit, {
    global: true,
    max: config.requestsPerMinute,
    timeWindow: MINUTE_MS,
    store: storeOf(limiter),
    allowList: (request) => !request.url.startsWith('/v1/'),
    errorResponseBuilder: (_request, { ttl }) => new MeridianError('rate-limited', { retryAfterMs: ttl }),
  });
}

/** The counters behind the plugin: one for all routes, and one for each route with a limit of its own. */
function storeOf(limiter: Limiter) {
  return class CounterStore {
    readonly #name: string;
    #counter: SharedCounter | undefined;

    /** The plugin passes its options; a store of a route its name. */
    constructor(options: object | string) {
      this.#name = typeof options === 'string' ? options : 'api';
    }

    incr(
      key: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      timeWindow: number,
      max: number,
    ): void {
      this.#counter ??= limiter.counter(this.#name, max, timeWindow);
      this.#counter.hit(key).then(
        ({ current, ttlMs }) => callback(null, { current, ttl: ttlMs }),
        (cause: unknown) => callback(new MeridianError('internal', { cause })),
      );
    }

    child({ method, path }: { method: string | string[]; path: string }): CounterStore {
      return new CounterStore(`${[method].flat().join(',')} ${path}`);
    }
  };
}
