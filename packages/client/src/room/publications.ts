import type { MediaSource } from '@meridian/protocol';
import { ClientError, type SdkError, toSdkError } from '../errors.ts';
import { carriedAnew } from '../media/camera-layers.ts';
import type { VideoCodec } from '../media/encodings.ts';
import type { Sender } from '../media/sender.ts';
import { Outlet } from './outlet.ts';

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
  /** For a camera: false sends one layer, whatever its size; default true. */
  readonly simulcast?: boolean | undefined;
}

interface Entry {
  readonly source: MediaSource;
  track: MediaStreamTrack | null;
  muted: boolean;
  stopTrack: boolean;
  videoCodec: VideoCodec | undefined;
  simulcast: boolean;
  failed: boolean;
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
 * What we publish, wherever we are attached: to one node, or, during a move, to the old and to the next one. Each
 * has an outlet that is kept in line with what is wanted.
 */
export class Publications {
  readonly #entries = new Map<MediaSource, Entry>();
  readonly #events: PublicationEvents;
  readonly #videoCodec: VideoCodec | undefined;
  #outlet: Outlet | undefined;
  /** Of the node that we are moving to. */
  #next: Outlet | undefined;
  /** Of the node that we have moved from, until we leave it. */
  #last: Outlet | undefined;

  /** @param videoCodec of publications that name none */
  constructor(events: PublicationEvents, videoCodec?: VideoCodec) {
    this.#events = events;
    this.#videoCodec = videoCodec;
  }

  get list(): readonly LocalPublication[] {
    return [...this.#entries.values()].map((entry) => this.#view(entry));
  }

  get(source: MediaSource): LocalPublication | undefined {
    const entry = this.#entries.get(source);
    return entry && this.#view(entry);
  }

  /** Publishes everything there is over this sender. Failures are reported, not thrown. */
  use(sender: Sender): void {
    const moved = this.#next?.sender === sender ? this.#next : undefined;
    const outlet = moved ?? this.#outletOf(sender);
    if (moved === undefined) {
      this.#next?.close();
      this.#outlet?.close();
    } else {
      this.#last?.close();
      this.#last = this.#outlet;
    }
    this.#next = undefined;
    this.#outlet = outlet;
    for (const entry of this.#entries.values()) this.#syncAnew(entry, outlet);
  }

  /** The node answers again: what it did not is asked for once more. Failures are reported, not thrown. */
  retry(): void {
    for (const entry of this.#entries.values()) if (entry.failed) this.#syncAnew(entry, this.#outlet);
  }

  /**
   * Publishes everything there is over this sender as well, in the place of what is published now. From then on both
   * are kept in line, until `use` or `giveUp` of one of them.
   * @param carriedBps by the connection to the current one, as the browser estimates it
   * @throws what the node answered
   */
  async publishAlso(sender: Sender, carriedBps: Promise<number | undefined>): Promise<void> {
    const current = this.#outlet;
    this.#next?.close();
    this.#next = this.#outletOf(sender, current && { sender: current.sender, carriedBps });
    const next = this.#next;
    await Promise.all([...this.#entries.keys()].map((source) => next.sync(source)));
  }

  /** The move to this sender has failed, or the one from it is over. */
  giveUp(sender: Sender): void {
    if (this.#next?.sender === sender) {
      this.#next.close();
      this.#next = undefined;
    }
    if (this.#last?.sender === sender) {
      this.#last.close();
      this.#last = undefined;
    }
  }

  /** No sender any more; what is wanted stays. */
  suspend(): void {
    this.#outlet?.close();
    this.#outlet = undefined;
    this.#events.onChanged();
  }

  /** @throws what the node answered. While reconnecting it only notes the wish. */
  async publish(source: MediaSource, track: MediaStreamTrack, options: PublishOptions = {}): Promise<void> {
    const entry = this.#entries.get(source) ?? this.#add(source);
    entry.muted = options.muted ?? false;
    entry.stopTrack = options.stopTrack ?? true;
    entry.videoCodec = options.videoCodec ?? this.#videoCodec;
    entry.simulcast = options.simulcast ?? true;
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
    for (const outlet of [this.#outlet, this.#next, this.#last]) outlet?.close();
    this.#outlet = undefined;
    this.#next = undefined;
    this.#last = undefined;
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
      simulcast: true,
      failed: false,
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

  #syncAnew(entry: Entry, outlet: Outlet | undefined): void {
    entry.failed = false;
    this.#sync(entry.source).catch((error: unknown) => {
      if (this.#outlet === outlet) this.#events.onTrouble(toSdkError(error));
    });
  }

  async #sync(source: MediaSource): Promise<void> {
    this.#events.onChanged();
    const outlet = this.#outlet;
    const entry = this.#entries.get(source);
    // What the next node refuses is found out by the move.
    for (const other of [this.#next, this.#last]) other?.sync(source).catch(() => {});
    try {
      await outlet?.sync(source);
      if (entry?.failed) {
        entry.failed = false;
        this.#events.onChanged();
      }
    } catch (error) {
      if (this.#outlet !== outlet) return;
      if (entry !== undefined) entry.failed = true;
      this.#events.onChanged();
      throw error;
    }
  }

  /** @param before whose place it takes, while both go on */
  #outletOf(sender: Sender, before?: { sender: Sender; carriedBps: Promise<number | undefined> }): Outlet {
    return new Outlet({
      sender,
      replaces: (source) => before?.sender.outgoing(source)?.producerId,
      leastBps: leastOf(before?.carriedBps),
      wanted: (source) => this.#entries.get(source),
      onChanged: () => this.#events.onChanged(),
    });
  }

  #view({ source, track, muted, failed }: Entry): LocalPublication {
    const live = this.#outlet?.isLive(source) === true;
    return { source, track, muted, state: failed ? 'failed' : live ? 'live' : 'waiting' };
  }
}

async function leastOf(carried: Promise<number | undefined> | undefined): Promise<number | undefined> {
  const carriedBps = await carried;
  return carriedBps === undefined ? undefined : carriedAnew(carriedBps);
}
