import type { MediaKind } from '@meridian/protocol';
import type { Runtime } from '../runtime.ts';
import { readReports, type StatsReport } from '../stats/reports.ts';

/** A look costs the browser about a millisecond, and is taken only while somebody waits. Milliseconds. */
const LOOK_EVERY_MS = 50;

interface Watched {
  readonly trackId: string;
  readonly kind: MediaKind;
  readonly onFlowing: () => void;
}

/** Finds out when tracks of one transport begin to be of use: a picture was decoded, sound has come. */
export class FlowWatch {
  readonly #runtime: Pick<Runtime, 'after'>;
  readonly #getStats: () => Promise<RTCStatsReport>;
  readonly #watched = new Set<Watched>();
  #cancelLook: (() => void) | undefined;

  constructor(options: { runtime: Pick<Runtime, 'after'>; getStats: () => Promise<RTCStatsReport> }) {
    this.#runtime = options.runtime;
    this.#getStats = options.getStats;
  }

  /** Calls back once. Returns the cancelling. */
  watch(track: { id: string }, kind: MediaKind, onFlowing: () => void): () => void {
    const watched: Watched = { trackId: track.id, kind, onFlowing };
    this.#watched.add(watched);
    this.#schedule();
    return () => this.#forget(watched);
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
      const report = reports.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === watched.trackId);
      if (report === undefined || !flows(report, watched.kind)) continue;
      this.#watched.delete(watched);
      watched.onFlowing();
    }
    if (this.#watched.size > 0) this.#schedule();
  }
}

const flows = (report: StatsReport, kind: MediaKind): boolean =>
  kind === 'video' ? (report.framesDecoded ?? 0) > 0 : (report.packetsReceived ?? 0) > 0;
