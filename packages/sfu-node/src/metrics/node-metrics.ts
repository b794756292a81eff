import { monitorEventLoopDelay } from 'node:perf_hooks';
import type {
  BusMethod,
  DrainProgress,
  EndReason,
  ErrorCode,
  NodeId,
  NotificationName,
  Region,
  RequestMethod,
} from '@meridian/protocol';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HandoverOutcome } from '../sessions/handovers.ts';
import type { NotResumable } from '../sessions/resume.ts';

export type JoinStep = 'verify' | 'confirm' | 'media' | 'total' | 'first-consumer';
export type AttachStep = 'verify' | 'lease' | 'total';

/** What is counted when the metrics are read. */
export interface NodeGauges {
  readonly rooms: number;
  readonly sessions: number;
  readonly participants: number;
  readonly suspended: number;
  readonly connections: number;
  readonly unattached: number;
  readonly producers: number;
  readonly consumers: number;
  readonly transports: number;
  readonly workers: number;
  readonly workerCpu: number;
  readonly openChores: number;
  readonly redisUp: boolean;
  readonly clockOffsetMs: number;
  readonly announced: boolean;
  readonly drain: DrainProgress | undefined;
  readonly relayLinks: readonly {
    readonly role: 'puller' | 'origin';
    readonly node: NodeId;
    readonly region: string;
    readonly down: boolean;
  }[];
}

/** Seconds; from what is local to what only a broken network takes. */
const FAST_S = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const DELAY_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 1, 2];
const JITTER_S = [0.0005, 0.001, 0.002, 0.005, 0.008, 0.012, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
/** 1.2 % is where a call is felt to be poor (VIA, SIGCOMM 2016). */
const LOSS = [0, 0.001, 0.0025, 0.005, 0.012, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1];

/**
 * All metrics of a node, in a registry of its own. Labels are bounded: legs, kinds, steps, codes,
 * nodes and regions; never rooms, sessions or users. Units are Prometheus's base units.
 */
export class NodeMetrics {
  readonly registry = new Registry();
  readonly #eventLoop = monitorEventLoopDelay({ resolution: 10 });
  #gauges: (() => NodeGauges) | undefined;

  constructor(options: { nodeId: NodeId; region: Region; version: string }) {
    const { nodeId, region, version } = options;
    this.registry.setDefaultLabels({ node: nodeId, region });
    collectDefaultMetrics({ register: this.registry, prefix: 'meridian_' });
    this.#eventLoop.enable();
    const info = this.#gauge('info', 'Always 1; carries the version.', ['version']);
    info.set({ version }, 1);
    this.#readGauges();
    this.#readEventLoop();
  }

  /** Who is asked for the counts when the metrics are read. */
  observe(gauges: () => NodeGauges): void {
    this.#gauges = gauges;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  close(): void {
    this.#eventLoop.disable();
    this.registry.clear();
  }

  // Media; filled by MediaMeter.
  readonly mediaBytes = this.#counter('media_bytes_total', 'Media received (client-up, relay-in) or sent, bytes.', [
    'leg',
    'kind',
  ]);
  readonly mediaPackets = this.#counter('media_packets_total', 'RTP packets received or forwarded.', ['leg', 'kind']);
  readonly mediaPacketsLost = this.#counter('media_packets_lost_total', 'RTP packets that were lost on the leg.', [
    'leg',
    'kind',
  ]);
  readonly mediaRetransmitted = this.#counter('media_packets_retransmitted_total', 'RTP packets sent again.', [
    'leg',
    'kind',
  ]);
  readonly mediaNacks = this.#counter('media_nacks_total', 'NACKs on the leg.', ['leg', 'kind']);
  readonly mediaPlis = this.#counter('media_plis_total', 'Key frames asked for by PLI.', ['leg', 'kind']);
  readonly mediaFirs = this.#counter('media_firs_total', 'Key frames asked for by FIR.', ['leg', 'kind']);
  readonly mediaKeyFrames = this.#counter(
    'media_key_frames_total',
    'Key frames seen on the leg, where they are counted.',
    ['leg', 'kind'],
  );
  readonly legRtt = this.#histogram(
    'leg_rtt_seconds',
    'Round trip time of the streams of a leg.',
    ['leg', 'kind'],
    DELAY_S,
  );
  readonly legJitter = this.#histogram(
    'leg_jitter_seconds',
    'Interarrival jitter of the streams of a leg (RFC 3550).',
    ['leg', 'kind'],
    JITTER_S,
  );
  readonly legLoss = this.#histogram(
    'leg_loss_ratio',
    'Share of packets lost between two measurements, per stream.',
    ['leg', 'kind'],
    LOSS,
  );
  readonly relayBytes = this.#counter('relay_bytes_total', 'Relayed media by the node at the other end, bytes.', [
    'direction',
    'kind',
    'remote_node',
    'remote_region',
  ]);
  readonly relayPackets = this.#counter('relay_packets_total', 'Relayed RTP packets by the node at the other end.', [
    'direction',
    'kind',
    'remote_node',
    'remote_region',
  ]);
  readonly relayPacketsLost = this.#counter('relay_packets_lost_total', 'Relayed RTP packets that were lost.', [
    'direction',
    'kind',
    'remote_node',
    'remote_region',
  ]);
  readonly relayRtt = this.#histogram(
    'relay_rtt_seconds',
    'Round trip time of relay links.',
    ['remote_node', 'remote_region'],
    DELAY_S,
  );
  readonly relayJitter = this.#histogram(
    'relay_jitter_seconds',
    'Jitter of relayed streams.',
    ['remote_node', 'remote_region'],
    JITTER_S,
  );
  readonly relayLoss = this.#histogram(
    'relay_loss_ratio',
    'Loss of relayed streams between two measurements.',
    ['remote_node', 'remote_region'],
    LOSS,
  );
  readonly workerCpuSeconds = this.#counter('worker_cpu_seconds_total', 'CPU time of a mediasoup worker.', ['worker']);
  readonly workerMemory = this.#gauge('worker_resident_memory_bytes', 'Resident memory of a mediasoup worker.', [
    'worker',
  ]);
  readonly workerRouters = this.#gauge('worker_routers', 'Routers on a worker.', ['worker']);
  readonly workerConsumers = this.#gauge('worker_consumers', 'Consumers on a worker.', ['worker']);
  readonly workerDeaths = this.#counter('worker_deaths_total', 'mediasoup workers that died.', []);

  readonly #joinSeconds = this.#histogram(
    'join_seconds',
    'A join by step; first-consumer counts from the reply.',
    ['step'],
    FAST_S,
  );
  readonly #attachSeconds = this.#histogram(
    'attach_seconds',
    'The attachment of a connection by step.',
    ['step'],
    FAST_S,
  );
  readonly #attaches = this.#counter('attaches_total', 'Connections by how their attachment went.', ['outcome']);
  readonly #resumes = this.#counter(
    'resumes_total',
    'Lost connections that came back: resumed, refused (the session is over or somebody else has it), or why not.',
    ['outcome'],
  );
  readonly #renewals = this.#counter(
    'token_renewals_total',
    "Renewals of sessions' tokens: renewed, refused, or failed and tried again.",
    ['outcome'],
  );
  readonly #requests = this.#histogram(
    'request_seconds',
    'Signalling requests by method and outcome.',
    ['method', 'outcome'],
    FAST_S,
  );
  readonly #frames = this.#counter('ws_frames_total', 'Signalling frames.', ['direction', 'type']);
  readonly #dropped = this.#counter('ws_notifications_dropped_total', 'Notifications dropped for slow readers.', [
    'event',
  ]);
  readonly #rateLimited = this.#counter('ws_rate_limited_total', 'Frames refused because there were too many.', []);
  readonly #gate = this.#counter('gate_refused_total', 'Connections refused by a limit, by the code of the error.', [
    'code',
  ]);
  readonly #addresses = this.#counter(
    'session_address_changes_total',
    'Session tokens that were used from another address than before.',
    ['outcome'],
  );
  readonly #closes = this.#counter('ws_closes_total', 'Closed connections by close code.', ['code']);
  readonly #ends = this.#counter('session_ends_total', 'Ended attachments by reason.', ['reason']);
  readonly #moves = this.#counter(
    'moves_total',
    'Moves of participants: arrived at this node, or departed from it by how that ended.',
    ['outcome'],
  );
  readonly #busRequests = this.#histogram(
    'bus_request_seconds',
    'Requests to other nodes.',
    ['method', 'outcome'],
    FAST_S,
  );
  readonly #redis = this.#histogram('redis_command_seconds', 'Commands to Redis.', ['command'], FAST_S);
  readonly #redisFailures = this.#counter('redis_failures_total', 'Commands to Redis that failed or ran out of time.', [
    'command',
  ]);
  readonly #relaysOpened = this.#counter('relay_links_opened_total', 'Relay links opened.', [
    'role',
    'remote_node',
    'remote_region',
  ]);
  readonly #relaysEnded = this.#counter('relay_links_ended_total', 'Relay links ended by reason.', ['role', 'reason']);
  readonly #relaySetup = this.#histogram(
    'relay_setup_seconds',
    'From asking the origin to media running.',
    ['outcome'],
    FAST_S,
  );

  joinStep(step: JoinStep, ms: number): void {
    this.#joinSeconds.observe({ step }, ms / 1_000);
  }

  attachStep(step: AttachStep, ms: number): void {
    this.#attachSeconds.observe({ step }, ms / 1_000);
  }

  attached(outcome: 'ok' | ErrorCode): void {
    this.#attaches.inc({ outcome });
  }

  resumed(outcome: 'resumed' | 'refused' | NotResumable): void {
    this.#resumes.inc({ outcome });
  }

  gateRefused(code: ErrorCode): void {
    this.#gate.inc({ code });
  }

  addressChanged(outcome: 'noticed' | 'refused'): void {
    this.#addresses.inc({ outcome });
  }

  tokenRenewal(outcome: 'renewed' | 'refused' | 'failed'): void {
    this.#renewals.inc({ outcome });
  }

  request(method: RequestMethod, outcome: 'ok' | ErrorCode, ms: number): void {
    this.#requests.observe({ method, outcome }, ms / 1_000);
  }

  frame(direction: 'in' | 'out', type: string): void {
    this.#frames.inc({ direction, type });
  }

  dropped(event: NotificationName): void {
    this.#dropped.inc({ event });
  }

  rateLimited(): void {
    this.#rateLimited.inc();
  }

  /** Codes that are neither ours nor the protocol's (peers may send any) count as `other`. */
  closed(code: number): void {
    const known = (code >= 1_000 && code <= 1_015) || (code >= 4_400 && code <= 4_599);
    this.#closes.inc({ code: known ? String(code) : 'other' });
  }

  sessionEnded(reason: EndReason): void {
    this.#ends.inc({ reason });
  }

  moved(outcome: 'arrived' | HandoverOutcome): void {
    this.#moves.inc({ outcome });
  }

  busRequest(method: BusMethod | string, outcome: string, ms: number): void {
    this.#busRequests.observe({ method, outcome }, ms / 1_000);
  }

  redisCommand(command: string, ok: boolean, ms: number): void {
    this.#redis.observe({ command }, ms / 1_000);
    if (!ok) this.#redisFailures.inc({ command });
  }

  relayOpened(role: 'puller' | 'origin', node: NodeId, region: string): void {
    this.#relaysOpened.inc({ role, remote_node: node, remote_region: region });
  }

  relayEnded(role: 'puller' | 'origin', reason: string): void {
    this.#relaysEnded.inc({ role, reason });
  }

  relaySetup(outcome: 'opened' | 'failed', ms: number): void {
    this.#relaySetup.observe({ outcome }, ms / 1_000);
  }

  #readGauges(): void {
    const simple = (name: string, help: string, read: (gauges: NodeGauges) => number) => {
      const gauges = () => this.#gauges?.();
      new Gauge({
        name: `meridian_${name}`,
        help,
        registers: [this.registry],
        collect() {
          const now = gauges();
          if (now !== undefined) this.set(read(now));
        },
      });
    };
    simple('rooms', 'Rooms this node takes part in.', (now) => now.rooms);
    simple('sessions', 'Attached sessions.', (now) => now.sessions);
    simple('participants', 'Participants on this node.', (now) => now.participants);
    simple(
      'participants_suspended',
      'Participants whose connection was lost and who may still resume.',
      (now) => now.suspended,
    );
    simple('connections', 'Open WebSockets.', (now) => now.connections);
    simple('connections_unattached', 'Open WebSockets without a session.', (now) => now.unattached);
    simple('producers', 'Producers, relayed ones included.', (now) => now.producers);
    simple('consumers', 'Consumers, those of relays included.', (now) => now.consumers);
    simple('transports', 'WebRTC and pipe transports.', (now) => now.transports);
    simple('workers', 'Running mediasoup workers.', (now) => now.workers);
    simple('worker_cpu_ratio', 'Of the busiest worker: 1 is a whole core.', (now) => now.workerCpu);
    simple('chores', 'Changes that wait to be written to Redis.', (now) => now.openChores);
    simple(
      'clock_offset_seconds',
      "How far the clock of Redis, which the cluster goes by, is ahead of this machine's.",
      (now) => now.clockOffsetMs / 1_000,
    );
    simple('redis_up', '1 while Redis answers.', (now) => Number(now.redisUp));
    simple('draining', '1 while the node takes no new sessions.', (now) => Number(now.drain !== undefined));
    simple('drain_sessions', 'Sessions when the drain began.', (now) => now.drain?.sessions ?? 0);
    simple('drain_asked', 'Participants that were asked to move.', (now) => now.drain?.asked ?? 0);
    simple('drain_moved', 'Of those, they that are on another node by now.', (now) => now.drain?.moved ?? 0);
    simple('drain_left', 'Sessions that are still to go.', (now) => now.drain?.left ?? 0);
    simple('announced', '1 while the node stands in the registry.', (now) => Number(now.announced));
    const gauges = () => this.#gauges?.();
    new Gauge({
      name: 'meridian_relay_links_down',
      help: 'Of the relay links that this node pulls over: those through which nothing comes although the origin sends.',
      labelNames: ['remote_node', 'remote_region'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { role, node, region, down } of gauges()?.relayLinks ?? []) {
          if (role === 'puller') this.inc({ remote_node: node, remote_region: region }, Number(down));
        }
      },
    });
    new Gauge({
      name: 'meridian_relay_links',
      help: 'Open relay links by role and the node at the other end.',
      labelNames: ['role', 'remote_node', 'remote_region'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { role, node, region } of gauges()?.relayLinks ?? []) {
          this.inc({ role, remote_node: node, remote_region: region });
        }
      },
    });
  }

  #readEventLoop(): void {
    const eventLoop = this.#eventLoop;
    new Gauge({
      name: 'meridian_event_loop_delay_seconds',
      help: 'Delay of the event loop since the last reading, by quantile.',
      labelNames: ['quantile'],
      registers: [this.registry],
      collect() {
        for (const quantile of [50, 90, 99, 100]) {
          // Nothing was measured yet: NaN.
          const delayNs = quantile === 100 ? eventLoop.max : eventLoop.percentile(quantile);
          this.set({ quantile: String(quantile / 100) }, Number.isFinite(delayNs) ? delayNs / 1e9 : 0);
        }
        eventLoop.reset();
      },
    });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name: `meridian_${name}`, help, labelNames, registers: [this.registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name: `meridian_${name}`, help, labelNames, registers: [this.registry] });
  }

  #histogram<L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]): Histogram<L> {
    return new Histogram({ name: `meridian_${name}`, help, labelNames, buckets, registers: [this.registry] });
  }
}
