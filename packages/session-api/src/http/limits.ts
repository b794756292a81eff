import rateLimit from '@fastify/rate-limit';
import { MeridianError } from '@meridian/protocol';
import type { SessionApiConfig } from '../config.ts';
import type { App } from './route.ts';

const MINUTE_MS = 60_000;
/** Addresses remembered per limit; beyond that the least recently seen is forgotten. */
const MOST_ADDRESSES = 20_000;

/** `config.rateLimit` of the routes that are limited more tightly. */
export const signInLimit = (config: SessionApiConfig) => ({ max: config.signInsPerMinute, timeWindow: MINUTE_MS });
export const guestLimit = (config: SessionApiConfig) => ({ max: config.guestsPerMinute, timeWindow: MINUTE_MS });

/**
 * Requests per address and minute (IPv6: per /64), counted in this process: several instances behind a balancer
 * allow so many each. Pages, probes and metrics are not counted.
 */
export async function registerLimits(app: App, config: SessionApiConfig): Promise<void> {
  await app.register(rateLimit, {
    global: true,
    max: config.requestsPerMinute,
    timeWindow: MINUTE_MS,
    cache: MOST_ADDRESSES,
    allowList: (request) => !request.url.startsWith('/v1/'),
    errorResponseBuilder: (_request, { ttl }) => new MeridianError('rate-limited', { retryAfterMs: ttl }),
  });
}
