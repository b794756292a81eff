/** The part of pino's interface that the engine uses. */
export interface MediaLogger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export const silentLogger: MediaLogger = { debug() {}, info() {}, warn() {}, error() {} };

/** Time in milliseconds; only differences are used. */
export interface MediaClock {
  nowMs(): number;
}

export const monotonicClock: MediaClock = { nowMs: () => performance.now() };

export interface MediaEngineOptions {
  /** Worker processes; 0 means one per core. Default 0. */
  readonly workers?: number;
  /** Path of mediasoup's worker; default: MEDIASOUP_WORKER_BIN, else the one mediasoup brought. */
  readonly workerBin?: string | undefined;
  /** Where clients reach the workers. */
  readonly webRtcServer: {
    readonly listenIp: string;
    readonly announcedAddress?: string | undefined;
    /** Worker i listens on `port + i`, UDP and TCP; 0 takes any free ports. */
    readonly port: number;
  };
  /** Where other nodes reach relay links; each takes a UDP port of the range. */
  readonly pipe: {
    readonly listenIp: string;
    readonly announcedAddress?: string | undefined;
    readonly portRange: { readonly min: number; readonly max: number };
  };
  /**
   * A worker with this many consumers gets no further participants while another worker has fewer; a
   * room that outgrows its worker gets a further router there. Default 400 (a core does about 500).
   */
  readonly maxConsumersPerWorker?: number;
  /** UDP ports on loopback for the pipes between workers of this node. Default 50,000 to 59,999. */
  readonly localPipePortRange?: { readonly min: number; readonly max: number };
  /** First guess of a receiver's bandwidth, bit/s. Default 1,000,000. */
  readonly initialOutgoingBitrate?: number;
  /** What one participant may send, bit/s. Default 6,000,000; 0 means no limit. */
  readonly maxIncomingBitrate?: number;
  /** ICE consent (RFC 7675): silence after which ICE counts as disconnected, seconds, 10 to 60; 0 is never. Default 20. */
  readonly iceConsentTimeoutS?: number;
  /** Largest message of a data channel, bytes. Default 65,536. */
  readonly maxDataMessageBytes?: number;
  /** An empty room keeps its router this long for whoever comes next, milliseconds. Default 5,000. */
  readonly emptyRoomLingerMs?: number;
  /** A relay end that is not connected by then is closed, milliseconds. Default 15,000. */
  readonly relayConnectTimeoutMs?: number;
  /** How often the workers' CPU is measured, milliseconds. Default 2,000. */
  readonly measureEveryMs?: number;
  /** A worker that answers nothing for so long is taken for hanging and replaced, milliseconds. Default 10,000. */
  readonly workerHangMs?: number;
  readonly logger?: MediaLogger;
  readonly clock?: MediaClock;
}

/** The options with every default filled in. */
export interface MediaSettings {
  readonly workers: number;
  readonly workerBin: string | undefined;
  readonly webRtcServer: MediaEngineOptions['webRtcServer'];
  readonly pipe: MediaEngineOptions['pipe'];
  readonly maxConsumersPerWorker: number;
  readonly localPipePortRange: { readonly min: number; readonly max: number };
  readonly initialOutgoingBitrate: number;
  readonly maxIncomingBitrate: number;
  readonly iceConsentTimeoutS: number;
  readonly maxDataMessageBytes: number;
  readonly emptyRoomLingerMs: number;
  readonly relayConnectTimeoutMs: number;
  readonly measureEveryMs: number;
  readonly workerHangMs: number;
  readonly logger: MediaLogger;
  readonly clock: MediaClock;
}

export function withDefaults(options: MediaEngineOptions, cores: number): MediaSettings {
  return {
    workers: options.workers || Math.max(1, cores),
    workerBin: options.workerBin,
    webRtcServer: options.webRtcServer,
    pipe: options.pipe,
    maxConsumersPerWorker: options.maxConsumersPerWorker ?? 400,
    localPipePortRange: options.localPipePortRange ?? { min: 50_000, max: 59_999 },
    initialOutgoingBitrate: options.initialOutgoingBitrate ?? 1_000_000,
    maxIncomingBitrate: options.maxIncomingBitrate ?? 6_000_000,
    iceConsentTimeoutS: options.iceConsentTimeoutS ?? 20,
    maxDataMessageBytes: options.maxDataMessageBytes ?? 65_536,
    emptyRoomLingerMs: options.emptyRoomLingerMs ?? 5_000,
    relayConnectTimeoutMs: options.relayConnectTimeoutMs ?? 15_000,
    measureEveryMs: options.measureEveryMs ?? 2_000,
    workerHangMs: options.workerHangMs ?? 10_000,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? monotonicClock,
  };
}
