import type { MediaKind } from '@meridian/protocol';
import type { Runtime } from '../runtime.ts';
import { readReports, type StatsReport } from '../stats/reports.ts';

/** A look costs the browser about a millisecond, and is taken only while somebody waits. Milliseconds. */
const LOOK_EVERY_MS = 50;

/** What has just begun: the way by which something comes that is sent elsewhere too, or its sender as well. */
export type Beginning = 'way' | 'sender';

/** So many frames or packets are a flow ... */
const STEADY_AFTER = 8;
/**
 * ... and of frames without a pause for so long: others who begin to receive the same ask its encoder for further key
 * frames, and what these cost in bit rate it saves by leaving out pictures. A sender that has just begun does so more than once: its
 * connection has a low estimate of the way at first. With half a second for it, too, gaps of 80 to 130 ms were seen, one to two and a half seconds
 * after its first picture. Milliseconds.
 */
const UNBROKEN_FOR_MS = { way: 500, sender: 2_000 } as const satisfies Record<Beginning, number>;
/** Without a frame for longer than this is a pause: a camera sends one every 33 to 67 ms. Milliseconds. */
const PAUSE_MS = 120;
/**
 * So long after the first it is as good as it gets, where there are few: silence, a still picture, a weak line. For video less than
 * the old way goes on after a move (`LINGER_MS`). Milliseconds.
 */
const STEADY_AT_LATEST_MS = {
  audio: { way: 700, sender: 700 },
  video: { way: 2_000, sender: 3_500 },
} as const satisfies Record<MediaKind, Record<Beginning, number>>;

/** `begun`: a picture was decoded, sound has come. `steady`: the pauses of a path that has just been opened are over. */
export type Flow = 'begun' | 'steady';

interface Watched {
  readonly trackId: string;
  readonly kind: MediaKind;
  readonly beginning: Beginning;
  readonly onFlow: (flow: Flow) => void;
  begunAtMs: number | undefined;
  count: number;
  /** The last look that found something new. */
  roseAtMs: number;
  /** No pause since. */
  unbrokenSinceMs: number;
}

/** Finds out when tracks of one transport begin to be of use. */
export class FlowWatch {
  readonly #runtime: Pick<Runtime, 'after' | 'now'>;
  readonly #getStats: () => Promise<RTCStatsReport>;
  readonly #watched = new Set<Watched>();
  #cancelLook: (() => void) | undefined;

  constructor(options: { runtime: Pick<Runtime, 'after' | 'now'>; getStats: () => Promise<RTCStatsReport> }) {
    this.#runtime = options.runtime;
    this.#getStats = options.getStats;
  }

  /** Calls back once for each. Returns the cancelling. */
  watch(
    track: { id: string },
    { kind, beginning }: { kind: MediaKind; beginning: Beginning },
    onFlow: (flow: Flow) => void,
  ): () => void {
    const watched: Watched = {
      trackId: track.id,
      kind,
      beginning,
      onFlow,
      begunAtMs: undefined,
      count: 0,
      roseAtMs: 0,
      unbrokenSinceMs: 0,
    };
    this.#watched.add(watched);
    this.#schedule();
    return () => this.#forget(watched);
  }

  /** Frames or packets of this track so far. @throws when the transport is closed */
  async count(track: { id: string }, kind: MediaKind): Promise<number> {
    const report = inboundOf(readReports(await this.#getStats()), track.id);
    return report === undefined ? 0 : countOf(report, kind);
  }

  close(): void {
    this.#watched.clear();
    this.#stop();
  }

  #forget(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size === 0) this.#stop();
  }

  #stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #schedule(): void {
    this.#cancelLook ??= this.#runtime.after(LOOK_EVERY_MS, () => {
      this.#getStats().then(
        (stats) => this.#look(readReports(stats)),
        // The transport is closing: who watches is told by whoever closes it.
        () => this.#look([]),
      );
    });
  }

  #look(reports: readonly StatsReport[]): void {
    if (this.#cancelLook === undefined) return;
    this.#cancelLook = undefined;
    for (const watched of [...this.#watched]) {
      const report = inboundOf(reports, watched.trackId);
      const count = report === undefined ? 0 : countOf(report, watched.kind);
      if (count > 0) this.#note(watched, count);
    }
    if (this.#watched.size > 0) this.#schedule();
  }

  #note(watched: Watched, count: number): void {
    const nowMs = this.#runtime.now();
    if (watched.begunAtMs === undefined) {
      watched.begunAtMs = nowMs;
      watched.unbrokenSinceMs = nowMs;
      watched.onFlow('begun');
    }
    if (count > watched.count) {
      watched.count = count;
      watched.roseAtMs = nowMs;
    } else if (nowMs - watched.roseAtMs > PAUSE_MS) {
      watched.unbrokenSinceMs = nowMs;
    }
    if (!isSteady(watched, watched.begunAtMs, nowMs)) return;
    if (this.#watched.delete(watched)) watched.onFlow('steady');
  }
}

function isSteady({ kind, beginning, count, unbrokenSinceMs }: Watched, begunAtMs: number, nowMs: number): boolean {
  if (nowMs - begunAtMs >= STEADY_AT_LATEST_MS[kind][beginning]) return true;
  return count >= STEADY_AFTER && (kind === 'audio' || nowMs - unbrokenSinceMs >= UNBROKEN_FOR_MS[beginning]);
}

const inboundOf = (reports: readonly StatsReport[], trackId: string): StatsReport | undefined =>
  reports.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === trackId);

const countOf = ({ framesDecoded = 0, packetsReceived = 0 }: StatsReport, kind: MediaKind): number =>
  kind === 'video' ? framesDecoded : packetsReceived;
