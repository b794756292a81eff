import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, openCluster } from '@meridian/cluster';
import { MeridianError, NodeId } from '@meridian/protocol';
import { openStore, type Store } from '@meridian/store';
import { type PasswordHasher, Passwords } from './accounts/passwords.ts';
import { buildApp } from './app.ts';
import { type Clock, systemClock } from './clock.ts';
import { keyLifetimesOf, type SessionApiConfig } from './config.ts';
import { Auth } from './http/auth.ts';
import { closeListener } from './http/close-listener.ts';
import { Leaving } from './http/leaving.ts';
import type { App } from './http/route.ts';
import { Ids, type Randomness, systemRandomness } from './ids.ts';
import { ChatKeeper } from './jobs/chat-keeper.ts';
import { Purge } from './jobs/purge.ts';
import { Limiter } from './limits/limiter.ts';
import { type Locate, openGeoip } from './location/geoip.ts';
import type { Logger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { RoomAccess } from './rooms/access.ts';
import { Eviction } from './rooms/eviction.ts';
import { RoomNaming } from './rooms/naming.ts';
import type { Services } from './services.ts';
import { Placer } from './sessions/placer.ts';
import { Revoker } from './sessions/revoker.ts';
import { LastKnown } from './store/last-known.ts';
import { RevokedLately } from './store/revoked-lately.ts';
import { StoreWatch } from './store/store-watch.ts';
import { whenThere } from './store/when-there.ts';
import { TokenIssuer } from './tokens/issue.ts';
import { KeyRing } from './tokens/key-ring.ts';
import { TokenVerifier } from './tokens/verify.ts';

const MINUTE_MS = 60_000;
const PURGE_EVERY_MS = 10 * 60_000;
/** Whoever balances requests has left this instance out when none has come for so long, milliseconds. */
const QUIET_MS = 100;

export interface SessionApiOptions {
  readonly config: SessionApiConfig;
  readonly logger: Logger;
  /** What tests put in place of the real thing. */
  readonly clock?: Clock;
  readonly random?: Randomness;
  readonly hasher?: PasswordHasher;
  readonly locate?: Locate;
}

export interface SessionApi {
  /** Where it listens: `http://host:port`. */
  readonly url: string;
  readonly port: number;
  /**
   * Says that it is not ready, serves on for `delayMs` (default 0), then turns away what may be sent again elsewhere until
   * nobody comes, stops listening, lets the requests under way finish, ends the jobs, closes Redis and the store.
   * Idempotent; called again it waits no longer.
   */
  close(options?: { delayMs?: number }): Promise<void>;
}

/**
 * Starts the service: opens what it stands on, then listens.
 * @throws MeridianError `config-invalid`, `cluster-unavailable`, `store-unavailable`
 */
export async function startSessionApi(options: SessionApiOptions): Promise<SessionApi> {
  const { config, logger } = options;
  const opened = new Closers();
  try {
    const { app, services, store, cluster } = await compose(options, opened);
    const keeper = new ChatKeeper({
      outbox: cluster.chat,
      messages: store.messages,
      consumer: `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
      onKept: (lines) => services.metrics.chatLinesStored(lines),
      onFailed: (err) => logger.error({ err }, 'chat is not written to the store any more'),
    });
    opened.add(() => keeper.close());
    const purge = new Purge({
      store,
      locks: cluster.locks,
      now: services.clock.now,
      chatKeepDays: config.chatKeepDays,
      everyMs: PURGE_EVERY_MS,
      onDone: (removed) => logger.debug(removed, 'purged'),
      onFailed: (err) => logger.warn({ err }, 'purge failed; it is tried again'),
    });
    opened.add(() => purge.close());
    // Nodes sweep dead nodes by themselves; this finds the last one, which has nobody to sweep it.
    const sweeper = cluster.sweeper({ leaseMs: config.leaseMs });
    opened.add(() => sweeper.stop());

    const url = await listen(app, config);
    let quietMs = 0;
    // Closed first: nothing that a request needs goes before the requests do.
    opened.add(async () => {
      await closeListener(app.server, quietMs);
      await app.close();
    });
    const { port } = new URL(url);
    logger.info({ url, publicUrl: config.publicUrl }, 'listening');
    const hurry = new AbortController();
    const close = async ({ delayMs = 0 }: { delayMs?: number } = {}) => {
      if (services.leaving.began) hurry.abort();
      services.leaving.begin();
      if (delayMs > 0) {
        await sleep(delayMs, undefined, { signal: hurry.signal }).catch(() => {});
        if (!hurry.signal.aborted) quietMs = QUIET_MS;
        services.leaving.turnAway();
      }
      await opened.close();
    };
    return { url, port: Number(port), close };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function compose(
  options: SessionApiOptions,
  opened: Closers,
): Promise<{ app: App; services: Services; store: Store; cluster: Cluster }> {
  const { config, logger, clock = systemClock, random = systemRandomness } = options;
  // One time for the whole cluster, whatever the clock of this machine says: that of Redis, once it is there.
  let offsetMs = () => 0;
  const now = () => clock.now() + offsetMs();
  const lifetimes = keyLifetimesOf(config);
  const keys = await KeyRing.open({
    keysDir: config.keysDir,
    lifetimes,
    now,
    refreshMs: config.keysRefreshMs,
    onRefreshFailed: (err) => logger.error({ err }, 'the folder of the signing keys cannot be read'),
  });
  opened.add(async () => keys.close());
  const store = await whenThere(
    () => openStore(config.store, { now, onWarning: (warning) => logger.warn({ store: warning }, 'store') }),
    {
      withinMs: config.startWaitMs,
      onWaiting: (err) => logger.warn({ err }, 'the store is not there yet: waiting for it'),
    },
  );
  opened.add(() => store.close());

  const passwords = new Passwords({
    ...(options.hasher === undefined ? {} : { hasher: options.hasher }),
    concurrency: config.passwordConcurrency,
    maxWaiting: config.passwordQueue,
  });
  const metrics = new Metrics({ passwordsPending: () => passwords.pending });
  const [locate] = await Promise.all([options.locate ?? openGeoip(config.geoipDb), passwords.prepare()]);

  const cluster = await openCluster({
    url: config.redisUrl,
    keyPrefix: config.redisPrefix,
    logger,
    commandTimeoutMs: config.redisTimeoutMs,
    connectTimeoutMs: config.startWaitMs,
    observe: {
      command: (name, ms, ok) => metrics.redisCommand(name, ms, ok),
      status: (status) => metrics.redisUp(status === 'up'),
    },
  });
  opened.add(() => cluster.close());
  metrics.redisUp(cluster.status === 'up');
  offsetMs = () => cluster.clockOffsetMs;
  metrics.clockOffset(() => cluster.clockOffsetMs / 1_000);
  const storeWatch = new StoreWatch({
    ping: () => store.ping(),
    onChange: (isThere) => {
      metrics.storeUp(isThere);
      if (isThere) logger.info({}, 'the store is there again');
      else logger.error({}, 'the store is away: who and what was read lately may go on, the rest waits');
    },
  });
  opened.add(() => storeWatch.close());
  metrics.storeUp(true);
  const known = new LastKnown({
    users: store.users,
    rooms: store.rooms,
    watch: storeWatch,
    now: () => performance.now(),
    keepMs: config.storeGraceMs,
    onRemembered: () => metrics.remembered(),
  });
  // An address on the bus, of this process alone and without an entry among the nodes: nobody is placed on it.
  const inbox = await cluster.inbox(NodeId.parse(`api-${randomBytes(8).toString('hex')}`));
  const revoker = new Revoker({
    marks: cluster.revocations,
    registry: cluster.registry,
    inbox,
    keepMs: lifetimes.nodeTokensMs,
    log: logger,
    metrics,
  });
  opened.add(() => revoker.close());
  const eviction = new Eviction({ state: cluster.rooms, rooms: store.rooms, log: logger });
  opened.add(() => eviction.close());
  cluster.onStatus((status) => {
    if (status === 'up') void revoker.restore();
  });

  const verifier = new TokenVerifier({ keys, issuer: config.publicUrl, now });
  const limiter = new Limiter({ cluster, metrics, log: logger, now });
  const services: Services = {
    leaving: new Leaving(),
    config,
    clock: { now },
    random,
    ids: new Ids(random),
    store,
    storeWatch,
    cluster,
    keys,
    issuer: new TokenIssuer({
      keys,
      issuer: config.publicUrl,
      now,
      ttlS: {
        account: config.accountTokenTtlS,
        guest: config.guestTokenTtlS,
        session: config.sessionTokenTtlS,
        room: config.roomTokenTtlS,
      },
    }),
    verifier,
    auth: new Auth({ verifier, known, revoked: new RevokedLately(cluster.revocations, () => performance.now()) }),
    passwords,
    limiter,
    attempts: {
      login: limiter.attempts('login', config.signInsPerAccount),
      register: limiter.attempts('register', config.signInsPerAccount),
    },
    perUser: {
      sessions: limiter.counter('sessions', config.sessionsPerMinute, MINUTE_MS),
      joins: limiter.counter('joins', config.joinsPerMinute, MINUTE_MS),
    },
    rooms: new RoomAccess(known),
    naming: new RoomNaming({
      names: cluster.names,
      now,
      onFailed: (err) => logger.warn({ err }, 'the name of a room was not written'),
    }),
    placer: new Placer({ registry: cluster.registry, metrics, random: () => random.fraction() }),
    revoker,
    eviction,
    locate,
    metrics,
  };
  return { app: await buildApp(services, logger), services, store, cluster };
}

async function listen(app: App, { httpHost, httpPort }: SessionApiConfig): Promise<string> {
  try {
    return await app.listen({ host: httpHost, port: httpPort });
  } catch (cause) {
    await app.close();
    throw new MeridianError('config-invalid', {
      message: `Cannot listen on ${httpHost}:${httpPort} (${cause instanceof Error ? cause.message : String(cause)}); free the port or set MERIDIAN_HTTP_PORT.`,
      cause,
    });
  }
}

/** What was opened, closed in the opposite order; one that fails does not keep the others open. */
class Closers {
  readonly #closers: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything closed cleanly');
  }
}
