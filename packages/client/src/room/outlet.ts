import type { MediaSource, ProducerId } from '@meridian/protocol';
import type { VideoCodec } from '../media/encodings.ts';
import type { Sender } from '../media/sender.ts';

/** What shall be sent of one source. */
export interface Wanted {
  readonly track: MediaStreamTrack | null;
  readonly muted: boolean;
  readonly videoCodec: VideoCodec | undefined;
  readonly simulcast: boolean;
}

export interface OutletOptions {
  readonly sender: Sender;
  readonly wanted: (source: MediaSource) => Wanted | undefined;
  /** Our producer at another node that this one takes the place of. */
  readonly replaces: (source: MediaSource) => ProducerId | undefined;
  /** What the connection to this node is known to carry where something takes the place of something, bit/s. */
  readonly leastBps: Promise<number | undefined>;
  readonly onChanged: () => void;
}

interface Sent {
  readonly track: MediaStreamTrack | null;
  /** undefined while the node is asked, and after that where it did not answer, or not as it was asked to. */
  readonly muted: boolean | undefined;
}

/**
 * Brings one sender in line with what is wanted: each source is worked on by one loop at a time, which compares what is
 * wanted with what the node was told. Quick toggling therefore ends in what was wanted last.
 */
export class Outlet {
  readonly sender: Sender;
  readonly #options: OutletOptions;
  readonly #sent = new Map<MediaSource, Sent>();
  readonly #loops = new Map<MediaSource, Promise<void>>();
  #closed = false;

  constructor(options: OutletOptions) {
    this.#options = options;
    this.sender = options.sender;
  }

  isLive(source: MediaSource): boolean {
    return this.#sent.has(source);
  }

  /**
   * A call during a loop makes it go round once more and waits for that.
   * @throws what the node answered
   */
  sync(source: MediaSource): Promise<void> {
    const running = this.#loops.get(source);
    const next = (running === undefined ? Promise.resolve() : running.catch(() => {})).then(() => this.#align(source));
    this.#loops.set(source, next);
    const done = () => {
      if (this.#loops.get(source) === next) this.#loops.delete(source);
      this.#options.onChanged();
    };
    next.then(done, done);
    return next;
  }

  /** Its sender is of no more use; what is under way fails in silence. */
  close(): void {
    this.#closed = true;
  }

  async #align(source: MediaSource): Promise<void> {
    try {
      while (!this.#closed && (await this.#step(source, this.#options.wanted(source))));
    } catch (error) {
      // The sender ended under our feet: the next one starts over.
      if (!this.#closed) throw error;
    }
  }

  /** One difference less; false when there was none. */
  async #step(source: MediaSource, wanted: Wanted | undefined): Promise<boolean> {
    const { sender } = this;
    const sent = this.#sent.get(source);
    if (wanted === undefined) {
      if (sender.outgoing(source) === undefined) return false;
      await sender.unpublish(source);
      this.#sent.delete(source);
      return true;
    }
    const { track, muted, videoCodec, simulcast } = wanted;
    if (sent === undefined || sender.outgoing(source) === undefined) {
      if (track === null || track.readyState === 'ended') return false;
      const replaces = this.#options.replaces(source);
      const leastBps = replaces === undefined ? undefined : await this.#options.leastBps;
      if (this.#closed) return false;
      await sender.publish(source, track, { paused: muted, videoCodec, simulcast, replaces, leastBps });
      this.#sent.set(source, { track, muted });
      return true;
    }
    if (sent.muted !== muted && muted) {
      await this.#setPaused(source, sent, true);
      return true;
    }
    if (sent.track !== track && track !== null && !sender.canReplace(source, track)) {
      await sender.unpublish(source);
      this.#sent.delete(source);
      return true;
    }
    if (sent.track !== track) {
      await sender.replaceTrack(source, track);
      this.#sent.set(source, { ...sent, track });
      return true;
    }
    if (sent.muted !== muted) {
      await this.#setPaused(source, sent, false);
      return true;
    }
    return false;
  }

  async #setPaused(source: MediaSource, sent: Sent, muted: boolean): Promise<void> {
    this.#sent.set(source, { ...sent, muted: undefined });
    await this.sender.setPaused(source, muted);
    this.#sent.set(source, { ...sent, muted });
  }
}
