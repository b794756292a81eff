import type { MediaKind } from '@meridian/protocol';
import type { Runtime } from '../runtime.ts';
import { readReports, type StatsReport } from '../stats/reports.ts';

/** A look costs the browser about a millisecond, and is taken only while somebody waits. Milliseconds. */
const LOOK_EVERY_MS = 50;

/** So many frames or packets are a steady flow ... */
const STEADY_AFTER = 8;
/** ... or so long after the first, where there are few: a still picture, silence. Milliseconds. */
const STEADY_AFTER_MS = 700;

/** `begun`: a picture was decoded, sound has come. `steady`: the pauses of a path that has just been opened are over. */
export type Flow = 'begun' | 'steady';

interface Watched {
  readonly trackId: string;
  readonly kind: MediaKind;
  readonly onFlow: (flow: Flow) => void;
  begunAtMs: number | undefined;
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
  watch(track: { id: string }, kind: MediaKind, onFlow: (flow: Flow) => void): () => void {
    const watched: Watched = { trackId: track.id, kind, onFlow, begunAtMs: undefined };
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
      watched.onFlow('begun');
    }
    if (count < STEADY_AFTER && nowMs - watched.begunAtMs < STEADY_AFTER_MS) return;
    if (this.#watched.delete(watched)) watched.onFlow('steady');
  }
}

const inboundOf = (reports: readonly StatsReport[], trackId: string): StatsReport | undefined =>
  reports.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === trackId);

const countOf = ({ framesDecoded = 0, packetsReceived = 0 }: StatsReport, kind: MediaKind): number =>
  kind === 'video' ? framesDecoded : packetsReceived;
