import type { MediaSource, ProducerId, SessionId } from '@meridian/protocol';
import type { Shown } from '../media/layers.ts';
import type { FlowProbe, RemoteTrack } from '../media/receiver.ts';
import type { Runtime } from '../runtime.ts';
import { type SlotKey, slotOf } from './roster.ts';
import { Stillness } from './stillness.ts';

export interface IncomingMediaEvents {
  onAdded(track: RemoteTrack): void;
  /** The same thing to see or to hear, over another track from now on. */
  onReplaced(before: RemoteTrack, after: RemoteTrack): void;
  onRemoved(track: RemoteTrack): void;
  /** The first packet of anybody's media has come. */
  onFlowing(): void;
}

export interface IncomingMediaOptions {
  readonly runtime: Pick<Runtime, 'after'>;
  readonly events: IncomingMediaEvents;
  /** Nothing can be expected to flow: it is muted at its source, or nobody looks. */
  readonly isQuiet: (track: RemoteTrack) => boolean;
  /** Something else is published in the place of this producer. */
  readonly isSuperseded: (track: RemoteTrack) => boolean;
  /** Some node that we are attached to knows a producer that takes the place of this one, which is about to go. */
  readonly isReplaced: (track: RemoteTrack) => boolean;
  /** It comes over a node that we are about to leave: the same comes, or is going to come, over the one that we move to. */
  readonly isLeft: (track: RemoteTrack) => boolean;
}

/** What is shown of one person's source, and what is going to take its place. */
interface Slot {
  shown: RemoteTrack;
  flow: FlowProbe;
  /** Nothing comes in over the shown track any more; its last picture stays for a while. */
  over: boolean;
  /** Newer tracks that do not flow yet, oldest first. */
  readonly coming: Map<RemoteTrack, Coming>;
  /**
   * Further tracks that come in: while somebody moves there are the old producer and the new one, and while we move each of
   * them over two nodes. Which of them ends first is open, so none is forgotten before it ends.
   */
  readonly spare: Map<RemoteTrack, FlowProbe>;
  cancelHold: () => void;
}

interface Coming {
  readonly flow: FlowProbe;
  cancel: () => void;
  hasBegun: boolean;
}

/** How long the last picture stays where the next one is on its way. Milliseconds. */
const HOLD_MS = 5_000;

/**
 * What comes in from others, over all stays and moves: of each person's source one track. A newer one takes its
 * place only when it flows steadily, or at its first picture where nothing comes over the old one, so that nobody sees a gap.
 */
export class IncomingMedia {
  readonly #slots = new Map<SlotKey, Slot>();
  readonly #sizes = new Map<SlotKey, Shown>();
  readonly #options: IncomingMediaOptions;

  constructor(options: IncomingMediaOptions) {
    this.#options = options;
  }

  /** By producer. */
  get tracks(): ReadonlyMap<ProducerId, RemoteTrack> {
    return new Map([...this.#slots.values()].map(({ shown }) => [shown.producerId, shown]));
  }

  trackOf(sessionId: SessionId, source: MediaSource): RemoteTrack | undefined {
    return this.#slots.get(slotOf({ sessionId, source }))?.shown;
  }

  /** In which size it is shown. */
  sizeOf(slot: { sessionId: SessionId; source: MediaSource }): Shown | undefined {
    return this.#sizes.get(slotOf(slot));
  }

  setSize(slot: { sessionId: SessionId; source: MediaSource }, size: Shown): void {
    this.#sizes.set(slotOf(slot), size);
  }

  /** Is one of these what is shown, though it could be replaced by something that flows? */
  relyOn(tracks: readonly RemoteTrack[]): boolean {
    return [...this.#slots.values()].some(({ shown }) => tracks.includes(shown) && !this.#options.isQuiet(shown));
  }

  /** Takes the place of an older track of the same source once it flows. */
  add(remote: RemoteTrack, flow: FlowProbe): void {
    const { events, isQuiet } = this.#options;
    const key = slotOf(remote);
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      const [coming, spare] = [new Map<RemoteTrack, Coming>(), new Map<RemoteTrack, FlowProbe>()];
      this.#slots.set(key, { shown: remote, flow, over: false, coming, spare, cancelHold: () => {} });
      this.#noteFlow(remote);
      events.onAdded(remote);
      return;
    }
    const coming: Coming = { flow, cancel: () => {}, hasBegun: false };
    slot.coming.set(remote, coming);
    const stillness = new Stillness(slot.flow, this.#options.runtime);
    // Where we move, the others send what they sent before; where they do, they have just begun.
    const beginning = remote.producerId === slot.shown.producerId ? 'way' : 'sender';
    const unwatch = flow.watch(beginning, (reached) => {
      coming.hasBegun = true;
      if (reached === 'steady' || slot.over) this.#arrived(key, slot, remote);
      else void stillness.isStill().then((still) => still && this.#arrived(key, slot, remote));
    });
    coming.cancel = () => {
      unwatch();
      stillness.cancel();
    };
    if (isQuiet(remote)) this.#arrived(key, slot, remote);
  }

  /** Nothing comes in over this track any more. */
  drop(remote: RemoteTrack): void {
    const key = slotOf(remote);
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    slot.coming.get(remote)?.cancel();
    slot.coming.delete(remote);
    slot.spare.delete(remote);
    if (slot.shown === remote) slot.over = true;
    if (!slot.over) return;
    const isLast = slot.coming.size === 0 && !this.#options.isSuperseded(slot.shown);
    const begun = [...slot.coming].flatMap(([coming, { hasBegun }]) => (hasBegun ? [coming] : []));
    const next = this.#best([...begun, ...slot.spare.keys()]);
    if (next !== undefined) this.#swap(key, slot, next);
    else if (isLast) this.#remove(key, slot);
    else if (slot.shown === remote) this.#hold(key, slot);
  }

  /** Nobody publishes this any more. */
  forget(gone: { sessionId: SessionId; source: MediaSource }): void {
    const key = slotOf(gone);
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#remove(key, slot);
    this.#sizes.delete(key);
  }

  /** It was muted: what was waited for does not come now. */
  quiet(muted: { sessionId: SessionId; source: MediaSource }): void {
    const key = slotOf(muted);
    const slot = this.#slots.get(key);
    const newest = slot === undefined ? undefined : this.#best([...slot.coming.keys()]);
    if (slot !== undefined && newest !== undefined) this.#arrived(key, slot, newest);
  }

  /** Drops everything that is not among these. */
  keepOnly(flowing: readonly RemoteTrack[]): void {
    for (const [key, slot] of [...this.#slots]) {
      for (const [remote, { cancel }] of [...slot.coming]) {
        if (flowing.includes(remote)) continue;
        cancel();
        slot.coming.delete(remote);
      }
      for (const remote of [...slot.spare.keys()]) if (!flowing.includes(remote)) slot.spare.delete(remote);
      if (flowing.includes(slot.shown)) continue;
      slot.over = true;
      const newest = this.#best([...slot.coming.keys(), ...slot.spare.keys()]);
      if (newest === undefined) this.#remove(key, slot);
      else this.#swap(key, slot, newest);
    }
  }

  /** The one to go on with: the latest of those that nothing takes the place of, if there is any. */
  #best(tracks: readonly RemoteTrack[]): RemoteTrack | undefined {
    return tracks.findLast((track) => !this.#options.isReplaced(track)) ?? tracks.at(-1);
  }

  /** A track that was waited for is of use. One that is about to go does not take the place of one that stays. */
  #arrived(key: SlotKey, slot: Slot, remote: RemoteTrack): void {
    const { isLeft, isReplaced } = this.#options;
    const goes = [isReplaced, isLeft].some((isGoing) => isGoing(remote) && !isGoing(slot.shown));
    if (slot.over || !goes) {
      this.#swap(key, slot, remote);
      return;
    }
    const coming = slot.coming.get(remote);
    if (this.#slots.get(key) !== slot || coming === undefined) return;
    coming.cancel();
    slot.coming.delete(remote);
    slot.spare.set(remote, coming.flow);
  }

  #swap(key: SlotKey, slot: Slot, after: RemoteTrack): void {
    const flow = slot.coming.get(after)?.flow ?? slot.spare.get(after);
    if (this.#slots.get(key) !== slot || flow === undefined) return;
    const before = slot.shown;
    const left: [RemoteTrack, FlowProbe][] = slot.over ? [...slot.spare] : [...slot.spare, [before, slot.flow]];
    for (const [older, coming] of slot.coming.has(after) ? [...slot.coming] : []) {
      coming.cancel();
      slot.coming.delete(older);
      if (older === after) break;
      left.push([older, coming.flow]);
    }
    slot.spare.clear();
    for (const [remote, itsFlow] of left) {
      if (remote !== after) slot.spare.set(remote, itsFlow);
    }
    slot.cancelHold();
    slot.shown = after;
    slot.flow = flow;
    slot.over = false;
    this.#noteFlow(after);
    this.#options.events.onReplaced(before, after);
  }

  /** The last picture stays, but not for ever. */
  #hold(key: SlotKey, slot: Slot): void {
    slot.cancelHold();
    slot.cancelHold = this.#options.runtime.after(HOLD_MS, () => {
      if (this.#slots.get(key) !== slot || !slot.over) return;
      const newest = this.#best([...slot.coming.keys()]);
      if (newest === undefined) this.#remove(key, slot);
      else this.#swap(key, slot, newest);
    });
  }

  #remove(key: SlotKey, slot: Slot): void {
    this.#slots.delete(key);
    slot.cancelHold();
    for (const { cancel } of slot.coming.values()) cancel();
    slot.coming.clear();
    slot.spare.clear();
    this.#options.events.onRemoved(slot.shown);
  }

  #noteFlow({ track }: RemoteTrack): void {
    const { events } = this.#options;
    if (track.muted) track.addEventListener('unmute', () => events.onFlowing(), { once: true });
    else events.onFlowing();
  }
}
