import type { MediaSource } from '@meridian/protocol';
import { ClientError, type SdkError, toSdkError } from '../errors.ts';
import type { VideoCodec } from '../media/encodings.ts';
import type { Sender } from '../media/sender.ts';

/** Something of ours that the room gets, across reconnects. */
export interface LocalPublication {
  readonly source: MediaSource;
  /** Null while the device is off; the publication then waits for the next track. */
  readonly track: MediaStreamTrack | null;
  readonly muted: boolean;
  /** `live` once the node has it; `waiting` during joins and while there is no track. */
  readonly state: 'waiting' | 'live' | 'failed';
}

export interface PublishOptions {
  readonly muted?: boolean;
  /** Stop the track when it is unpublished or the room is left; default true. */
  readonly stopTrack?: boolean;
  /**
   * For video; default: what was given at the join, else VP8. VP9 and AV1 are sent as one stream with all
   * layers in it (SVC), the others as simulcast. Where the browser cannot send it: VP8.
   */
  readonly videoCodec?: VideoCodec | undefined;
}

interface Entry {
  readonly source: MediaSource;
  track: MediaStreamTrack | null;
  muted: boolean;
  stopTrack: boolean;
  videoCodec: VideoCodec | undefined;
  failed: boolean;
  /** What the current sender was told last; absent while nothing is published there. */
  sent: { track: MediaStreamTrack | null; muted: boolean } | undefined;
  forgetTrack: () => void;
}

export interface PublicationEvents {
  onChanged(): void;
  /** The device or the browser ended the track, not we. */
  onEnded(source: MediaSource): void;
  /** Publishing anew after a reconnect failed. */
  onTrouble(error: SdkError): void;
}

/**
 * What we publish, and the one place that brings a sender in line with it: each source is worked on
 * by one loop at a time, which compares what is wanted with what the node was told. Quick toggling and
 * reconnects in the middle of it therefore end in what was wanted last.
 */
export class Publications {
  readonly #entries = new Map<MediaSource, Entry>();
  readonly #loops = new Map<MediaSource, Promise<void>>();
  readonly #events: PublicationEvents;
  readonly #videoCodec: VideoCodec | undefined;
  #sender: Sender | undefined;

  /** @param videoCodec of publications that name none */
  constructor(events: PublicationEvents, videoCodec?: VideoCodec) {
    this.#events = events;
    this.#videoCodec = videoCodec;
  }

  get list(): readonly LocalPublication[] {
    return [...this.#entries.values()].map(view);
  }

  get(source: MediaSource): LocalPublication | undefined {
    const entry = this.#entries.get(source);
    return entry && view(entry);
  }

  /** Publishes everything there is over this sender. Failures are reported, not thrown. */
  use(sender: Sender): void {
    this.#sender = sender;
    for (const entry of this.#entries.values()) {
      entry.failed = false;
      this.#sync(entry.source).catch((error: unknown) => {
        if (this.#sender === sender) this.#events.onTrouble(toSdkError(error));
      });
    }
  }

  /** No sender any more; what is wanted stays. */
  suspend(): void {
    this.#sender = undefined;
    for (const entry of this.#entries.values()) entry.sent = undefined;
    this.#events.onChanged();
  }

  /** @throws what the node answered. While reconnecting it only notes the wish. */
  async publish(source: MediaSource, track: MediaStreamTrack, options: PublishOptions = {}): Promise<void> {
    const entry = this.#entries.get(source) ?? this.#add(source);
    entry.muted = options.muted ?? false;
    entry.stopTrack = options.stopTrack ?? true;
    entry.videoCodec = options.videoCodec ?? this.#videoCodec;
    entry.failed = false;
    this.#setTrack(entry, track);
    await this.#sync(source);
  }

  async unpublish(source: MediaSource): Promise<void> {
    const entry = this.#entries.get(source);
    if (entry === undefined) return;
    this.#entries.delete(source);
    this.#setTrack(entry, null);
    await this.#sync(source);
  }

  /** @throws ClientError `not-published` */
  async setMuted(source: MediaSource, muted: boolean): Promise<void> {
    const entry = this.#get(source);
    entry.muted = muted;
    if (entry.track) entry.track.enabled = !muted;
    await this.#sync(source);
  }

  /** Another device, or none for now. The old track is stopped. @throws ClientError `not-published` */
  async replaceTrack(source: MediaSource, track: MediaStreamTrack | null): Promise<void> {
    const entry = this.#get(source);
    this.#setTrack(entry, track);
    await this.#sync(source);
  }

  /** Stops the tracks that were given for keeps. */
  close(): void {
    this.#sender = undefined;
    for (const entry of this.#entries.values()) this.#setTrack(entry, null);
    this.#entries.clear();
  }

  #add(source: MediaSource): Entry {
    const entry: Entry = {
      source,
      track: null,
      muted: false,
      stopTrack: true,
      videoCodec: undefined,
      failed: false,
      sent: undefined,
      forgetTrack: () => {},
    };
    this.#entries.set(source, entry);
    return entry;
  }

  #get(source: MediaSource): Entry {
    const entry = this.#entries.get(source);
    if (entry === undefined) throw new ClientError('not-published');
    return entry;
  }

  #setTrack(entry: Entry, track: MediaStreamTrack | null): void {
    if (entry.track === track) return;
    entry.forgetTrack();
    if (entry.stopTrack) entry.track?.stop();
    entry.track = track;
    entry.forgetTrack = () => {};
    if (track === null) return;
    track.enabled = !entry.muted;
    const onEnded = () => {
      if (entry.track === track) this.#events.onEnded(entry.source);
    };
    track.addEventListener('ended', onEnded);
    entry.forgetTrack = () => track.removeEventListener('ended', onEnded);
  }

  /** One loop per source; a call during a loop makes it go round once more and waits for that. */
  #sync(source: MediaSource): Promise<void> {
    this.#events.onChanged();
    const running = this.#loops.get(source);
    const next = (running === undefined ? Promise.resolve() : running.catch(() => {})).then(() => this.#align(source));
    this.#loops.set(source, next);
    const done = () => {
      if (this.#loops.get(source) === next) this.#loops.delete(source);
      this.#events.onChanged();
    };
    next.then(done, done);
    return next;
  }

  async #align(source: MediaSource): Promise<void> {
    for (;;) {
      const sender = this.#sender;
      if (sender === undefined) return;
      const entry = this.#entries.get(source);
      try {
        if (!(await this.#step(sender, source, entry))) return;
      } catch (error) {
        // The sender ended under our feet: `use` starts over with the next one.
        if (this.#sender !== sender) return;
        if (entry !== undefined) entry.failed = true;
        throw error;
      }
    }
  }

  /** One difference less; false when there was none. */
  async #step(sender: Sender, source: MediaSource, entry: Entry | undefined): Promise<boolean> {
    if (entry === undefined) {
      if (sender.outgoing(source) === undefined) return false;
      await sender.unpublish(source);
      return true;
    }
    const { track, muted, sent } = entry;
    const note = (change: Entry['sent']) => {
      if (this.#sender === sender) entry.sent = change;
    };
    if (sent === undefined || sender.outgoing(source) === undefined) {
      if (track === null || track.readyState === 'ended') return false;
      await sender.publish(source, track, { paused: muted, videoCodec: entry.videoCodec });
      note({ track, muted });
      return true;
    }
    if (sent.muted !== muted && muted) {
      await sender.setPaused(source, true);
      note({ ...sent, muted });
      return true;
    }
    if (sent.track !== track && track !== null && !sender.canReplace(source, track)) {
      await sender.unpublish(source);
      note(undefined);
      return true;
    }
    if (sent.track !== track) {
      await sender.replaceTrack(source, track);
      note({ ...sent, track });
      return true;
    }
    if (sent.muted !== muted) {
      await sender.setPaused(source, false);
      note({ ...sent, muted });
      return true;
    }
    return false;
  }
}

const view = ({ source, track, muted, failed, sent }: Entry): LocalPublication => ({
  source,
  track,
  muted,
  state: failed ? 'failed' : sent === undefined ? 'waiting' : 'live',
});
