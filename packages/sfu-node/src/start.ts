import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type NodeAnnouncement, openCluster } from '@meridian/cluster';
import { createMediaEngine, type MediaEngine } from '@meridian/media';
import { MeridianError, type NodeRecord } from '@meridian/protocol';
import type { FastifyInstance } from 'fastify';
import { SigningKeys } from './auth/signing-keys.ts';
import { type Clock, correctedClock, systemClock } from './clock.ts';
import { checkConfig, type NodeConfig } from './config.ts';
import { createHttpServer } from './http/routes.ts';
import type { Logger } from './logger.ts';
import { NodeMetrics } from './metrics/node-metrics.ts';
import { createNode, type SfuNodeCore } from './node.ts';
import { VERSION } from './version.ts';

export interface StartOptions {
  readonly config: NodeConfig;
  readonly logger: Logger;
  /** Another engine, for tests; closed with the node. */
  readonly media?: MediaEngine;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Milliseconds; see `openCluster` and `announce`. Shorter in tests. */
  readonly timing?: {
    readonly leaseMs?: number;
    readonly heartbeatMs?: number;
    readonly commandTimeoutMs?: number;
    readonly settleMs?: number;
    readonly relayCheckEveryMs?: number;
    readonly bitrateEveryMs?: number;
  };
}

export interface SfuNode {
  /** Where it listens, such as `http://127.0.0.1:8081`. */
  readonly url: string;
  readonly port: number;
  readonly media: MediaEngine;
  /**
   * Takes nobody new and asks everybody to move; resolves when nobody is left or the time is over. Never rejects and waits
   * for nothing else. Called again it is over at once. `close` comes after it.
   */
  drain(options?: { deadlineMs?: number }): Promise<void>;
  /** Tells everybody on it, takes them out of the cluster's state, closes. Idempotent. */
  close(): Promise<void>;
}

/** Everything that was opened, for closing in the opposite order. */
type Opened = { readonly what: string; readonly close: () => Promise<unknown> };

/**
 * Starts a node: media workers, Redis, HTTP; announced when it can take sessions.
 * @throws MeridianError `config-invalid`, `cluster-unavailable`, `media-unavailable`; nothing is left open then
 */
export async function startSfuNode(options: StartOptions): Promise<SfuNode> {
  const config = checkConfig(options.config);
  const { random = Math.random, timing = {} } = options;
  const log = options.logger.child({ nodeId: config.nodeId, region: config.region });
  const opened: Opened[] = [];
  const closeAll = async () => {
    for (const { what, close } of opened.splice(0).reverse()) {
      await close().catch((error: unknown) => log.error({ err: error }, `closing ${what} failed`));
    }
  };
  try {
    const metrics = new NodeMetrics({ nodeId: config.nodeId, region: config.region, version: VERSION });
    opened.push({ what: 'metrics', close: async () => metrics.close() });
    const media = options.media ?? (await createMediaEngine(mediaOptions(config, log)));
    opened.push({ what: 'media', close: () => media.close() });
    const cluster = await openCluster({
      url: config.redisUrl,
      keyPrefix: config.redisPrefix,
      logger: log,
      observe: {
        command: (name, ms, ok) => metrics.redisCommand(name, ok, ms),
        busRequest: (method, ms, outcome) => metrics.busRequest(method, outcome, ms),
      },
      commandTimeoutMs: timing.commandTimeoutMs ?? config.redisTimeoutMs,
      connectTimeoutMs: config.startWaitMs,
    });
    // One time for the whole cluster, whatever the clock of this machine says.
    const clock = correctedClock(options.clock ?? systemClock, () => cluster.clockOffsetMs);
    opened.push({ what: 'cluster', close: () => cluster.close() });
    const inbox = await cluster.inbox(config.nodeId);
    opened.push({ what: 'inbox', close: () => inbox.close() });
    const keys = new SigningKeys({ url: config.jwksUrl, clock });
    keys.prefetch().catch((error: unknown) => log.warn({ err: error }, 'the signing keys are not to be had yet'));
    const node = createNode({ config, log, clock, random, metrics, media, cluster, inbox, keys, timing });
    opened.push({ what: 'node', close: async () => node.close() });
    const app = await createHttpServer({
      config,
      log,
      metrics,
      attachments: node.attachments,
      readiness: () => node.readiness(),
      beforeMetrics: () => node.meter.read(),
    });
    opened.push({ what: 'http', close: () => app.close() });
    const port = await listen(app, config);
    const announcement = await cluster.announce(recordOf(config, clock), {
      leaseMs: timing.leaseMs ?? config.leaseMs,
      heartbeatMs: timing.heartbeatMs ?? Math.min(1_000, config.leaseMs / 5),
    });
    node.announcedAs(announcement);
    const url = `http://${config.httpHost}:${port}`;
    log.info({ url, workers: media.load().workers, version: VERSION }, 'the node is ready');
    let closing: Promise<void> | undefined;
    const close = () => {
      closing ??= shutDown({ node, announcement, config, log }).finally(closeAll);
      return closing;
    };
    let draining = false;
    const drain = async (asked: { deadlineMs?: number } = {}) => {
      if (draining) node.drain.hurry();
      else {
        draining = true;
        node.drain.start(asked, { forGood: true });
      }
      await node.drain.finished;
    };
    return { url, port, media, drain, close };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Nobody new, then everybody out with a word, then the state of the cluster, then the node's entry. */
async function shutDown(options: {
  node: SfuNodeCore;
  announcement: NodeAnnouncement;
  config: NodeConfig;
  log: Logger;
}): Promise<void> {
  const { node, announcement, config, log } = options;
  log.info({ sessions: node.services.sessions.size }, 'shutting down');
  node.stopAccepting();
  const budgetMs = config.shutdownTimeoutMs / 2;
  await announcement
    .update({ state: 'draining' }, { now: true })
    .catch((error: unknown) => log.warn({ err: error }, 'the cluster was not told of the shutdown'));
  node.endAll('node-shutdown');
  const givenUp = await node.services.chores.close(budgetMs);
  if (givenUp > 0) log.error({ givenUp }, 'Redis did not take everything; what is left is swept');
  await announcement.withdraw().catch((error: unknown) => log.warn({ err: error }, 'the entry was not withdrawn'));
  log.info('shut down');
}

function mediaOptions(config: NodeConfig, logger: Logger) {
  const announced = (address: string | undefined) => (address === undefined ? {} : { announcedAddress: address });
  return {
    workers: config.workers,
    maxIncomingBitrate: config.maxIncomingBitrate,
    webRtcServer: {
      listenIp: config.rtcListenIp,
      port: config.rtcPort,
      ...announced(config.rtcAnnouncedAddress),
    },
    pipe: {
      listenIp: config.pipeListenIp,
      portRange: { min: config.pipePortMin, max: config.pipePortMax },
      ...announced(config.pipeAnnouncedAddress),
    },
    logger,
  };
}

export function recordOf(config: NodeConfig, clock: Clock): NodeRecord {
  return {
    nodeId: config.nodeId,
    incarnation: randomUUID(),
    region: config.region,
    regionName: config.regionName ?? config.region,
    coordinates: { latitude: config.latitude, longitude: config.longitude },
    wsUrl: config.publicWsUrl,
    probeUrl: config.publicProbeUrl,
    version: VERSION,
    state: 'ready',
    load: { sessions: 0, maxSessions: config.maxSessions, consumers: 0, workers: 0, rooms: 0, workerCpu: 0 },
    startedAtMs: clock.wallNow(),
  };
}

async function listen(app: FastifyInstance, config: NodeConfig): Promise<number> {
  try {
    await app.listen({ host: config.httpHost, port: config.httpPort });
  } catch (cause) {
    throw new MeridianError('config-invalid', {
      message: `${config.httpHost}:${config.httpPort} cannot be listened on: is something else there? Choose another MERIDIAN_HTTP_PORT.`,
      cause,
    });
  }
  const address: AddressInfo | string | null = app.server.address();
  return address === null || typeof address === 'string' ? config.httpPort : address.port;
}
