import type { ProducerId } from '@meridian/protocol';
import type { Shown } from '../media/layers.ts';
import type { RemoteTrack } from '../media/receiver.ts';

export interface IncomingMediaEvents {
  onAdded(track: RemoteTrack): void;
  onRemoved(track: RemoteTrack): void;
  /** The first packet of anybody's media has come. */
  onFlowing(): void;
}

/** What comes in from others, over all stays: by producer, the newest track of each. */
export class IncomingMedia {
  readonly #tracks = new Map<ProducerId, RemoteTrack>();
  readonly #shown = new Map<ProducerId, Shown>();
  readonly #events: IncomingMediaEvents;

  constructor(events: IncomingMediaEvents) {
    this.#events = events;
  }

  get tracks(): ReadonlyMap<ProducerId, RemoteTrack> {
    return this.#tracks;
  }

  /** In which size each video is shown. */
  get shown(): ReadonlyMap<ProducerId, Shown> {
    return this.#shown;
  }

  setShown(producerId: ProducerId, shown: Shown): void {
    this.#shown.set(producerId, shown);
  }

  /** Takes the place of an older track of the same producer. */
  add(remote: RemoteTrack): void {
    this.#tracks.set(remote.producerId, remote);
    if (remote.track.muted) {
      remote.track.addEventListener('unmute', () => this.#events.onFlowing(), { once: true });
    } else {
      this.#events.onFlowing();
    }
    this.#events.onAdded(remote);
  }

  /** Unless a newer one has taken its place. */
  drop(remote: RemoteTrack): void {
    if (this.#tracks.get(remote.producerId) !== remote) return;
    this.#tracks.delete(remote.producerId);
    this.#events.onRemoved(remote);
  }

  /** The producer is gone. */
  forget(producerId: ProducerId): void {
    const remote = this.#tracks.get(producerId);
    if (remote !== undefined) this.drop(remote);
    this.#shown.delete(producerId);
  }

  /** Drops everything that is not among these. */
  keepOnly(flowing: readonly RemoteTrack[]): void {
    const kept = new Set(flowing);
    for (const remote of [...this.#tracks.values()]) if (!kept.has(remote)) this.drop(remote);
  }
}
