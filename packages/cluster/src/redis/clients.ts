import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Address, RedisTarget } from './url.ts';

/** The client that carries the commands. */
export type CommandClient = Redis<'legacy'> | Cluster<'legacy'>;

/** Longest pause between two tries to reconnect, milliseconds: well below a node's lease. */
const MAX_BACK_OFF_MS = 1_000;
/** How often a server that reads its data from disk is asked whether it has done so, milliseconds. */
const LOADING_ASKED_EVERY_MS = 250;

/** Doubles from 50 ms up to a second, with jitter so that a whole cluster does not come back at once. */
export function backOffMs(attempt: number, random: () => number = Math.random): number {
  const most = Math.min(MAX_BACK_OFF_MS, 50 * 2 ** Math.min(attempt, 10));
  return Math.round(most * (0.5 + random() / 2));
}

type Options = RedisOptions & { replyMapping: 'legacy' };

function baseOptions(target: RedisTarget, timeoutMs: number): Options {
  return {
    // Replies look the same over RESP3 and RESP2.
    replyMapping: 'legacy',
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls ? { tls: {} } : {}),
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // A connection that answers nothing any more (its machine is gone, a firewall forgot it) is made anew.
    socketTimeout: timeoutMs * 2,
    // Commands fail while Redis is away: what waits in a queue would act on a state that has moved on.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // Subscriptions are renewed by Subscriber, which has to know when it happens.
    autoResubscribe: false,
    disableClientInfo: true,
    lazyConnect: true,
    // Its own guess, which would be waited for otherwise, may be longer than a lease.
    maxLoadingRetryTime: LOADING_ASKED_EVERY_MS,
  };
}

function placeOf(target: Exclude<RedisTarget, { kind: 'cluster' }>): Omit<RedisOptions, 'replyMapping'> {
  switch (target.kind) {
    case 'single':
      return { ...target.address, db: target.db };
    case 'sentinel':
      return {
        sentinels: [...target.sentinels],
        name: target.master,
        db: target.db,
        sentinelRetryStrategy: backOffMs,
        ...(target.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      };
  }
}

/** Not connected yet; reconnects for ever once it was. */
export function commandClient(target: RedisTarget, timeoutMs: number): CommandClient {
  const base = baseOptions(target, timeoutMs);
  if (target.kind !== 'cluster') {
    return new Redis({
      ...base,
      ...placeOf(target),
      retryStrategy: (attempt) => backOffMs(attempt),
      // After a failover the old master answers READONLY until the client looks for the new one.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    });
  }
  const { enableOfflineQueue: _, lazyConnect: __, ...redisOptions } = base;
  const options = {
    redisOptions,
    lazyConnect: true,
    enableOfflineQueue: false,
    // Certificates are made out for names: an address that was looked up would match none.
    ...(target.tls ? { dnsLookup: (address, found) => found(null, address) } : {}),
    clusterRetryStrategy: (attempt) => backOffMs(attempt),
    clusterNodeRetryStrategy: (attempt) => backOffMs(attempt),
    // A command whose connection broke may have been executed: it fails, and whoever sent it decides.
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: timeoutMs,
    slotsRefreshInterval: 2_000,
  } satisfies ClusterOptions;
  const cluster = new Cluster([...target.seeds], options);
  // Connections to nodes are made at once, not with the first command: the next ones would not wait for it.
  cluster.on('+node', (node: Redis) => {
    node.connect().catch(() => {
      // Its own retry strategy goes on, and the commands sent to it say why they failed.
    });
  });
  return cluster;
}

/**
 * A client for one stretch of subscribing: it never reconnects by itself. A Redis Cluster passes messages on
 * to all its nodes, so any of them will do; `attempt` chooses, so that a dead one is not asked for ever.
 */
export function subscriberClient(
  target: RedisTarget,
  timeoutMs: number,
  known: readonly Address[],
  attempt: number,
): Redis {
  const base = { ...baseOptions(target, timeoutMs), retryStrategy: () => null };
  if (target.kind !== 'cluster') return new Redis({ ...base, ...placeOf(target) });
  const places = known.length > 0 ? known : target.seeds;
  const place = places[attempt % places.length];
  return new Redis({ ...base, ...place });
}
