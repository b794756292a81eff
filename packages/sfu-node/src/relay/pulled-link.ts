import type { MediaEngine, RelayEnd } from '@meridian/media';
import {
  assertNever,
  type BusMethod,
  type BusReplyData,
  type BusRequestData,
  isMeridianError,
  type LinkId,
  MeridianError,
  type NodeId,
  type ProducerId,
  type RoomId,
} from '@meridian/protocol';
import { type Backoff, backoffMs } from '../backoff.ts';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { openRelayEnd } from './open-relay-end.ts';
import { nextStep } from './plan.ts';
import { dataItem, idsOf, keyOf, mediaItem, type RelayItem } from './relay-item.ts';
import { Setbacks } from './setbacks.ts';
import { type Pull, Wants } from './wants.ts';

/** Why a link ended; a label of metrics. */
export type LinkEnd =
  | 'unwanted'
  | 'setup-failed'
  | 'peer-closed'
  | 'peer-forgot'
  | 'peer-gone'
  /** Nothing came through the pipe any more. */
  | 'pipe-dead'
  | 'room-closed'
  | 'media-closed';

export interface PulledLinkOptions {
  readonly roomId: RoomId;
  readonly origin: NodeId;
  readonly media: MediaEngine;
  readonly request: <M extends BusMethod>(
    method: M,
    data: BusRequestData<M>,
    signal: AbortSignal,
  ) => Promise<BusReplyData<M>>;
  readonly newLinkId: () => LinkId;
  readonly clock: Clock;
  readonly random: () => number;
  readonly graceMs: number;
  readonly backoff: Backoff;
  readonly log: Logger;
  readonly onLink: (link: OpenLink) => void;
  readonly onLinkEnded: (link: OpenLink, why: LinkEnd) => void;
  readonly onSetup: (outcome: 'opened' | 'failed', ms: number) => void;
  readonly onTrouble: (code: string) => void;
  /** Nothing is wanted and nothing is open any more: forget this object. */
  readonly onIdle: () => void;
}

/** This node's half of a link, from before the origin is asked until it ends. */
export interface OpenLink {
  readonly linkId: LinkId;
  readonly end: RelayEnd;
  /** Milliseconds since 1970. */
  readonly openedAtMs: number;
  /** What runs over it and can be consumed here. */
  readonly carried: Map<string, RelayItem>;
  /** What the origin may be sending though nobody takes it here. */
  readonly leftover: Map<string, RelayItem>;
  /** What was said of producers that may be in the reply under way. */
  readonly early: Map<ProducerId, { paused?: boolean; closed?: boolean }>;
  ready: boolean;
  ended: boolean;
}

/**
 * Everything this node pulls from one origin in one room. One loop makes what is carried into what is
 * wanted, a step at a time, so that no two steps ever run side by side; whoever wants something in the
 * meantime is served by the next step. A half that fails takes the other with it and is forgotten;
 * the loop tries again, with back-off, for as long as something is wanted. A stream that cannot be had, or ends on its way,
 * is its own affair: the link and what runs over it stay.
 */
export class PulledLink {
  readonly roomId: RoomId;
  readonly origin: NodeId;
  readonly #options: PulledLinkOptions;
  readonly #wants: Wants;
  readonly #setbacks: Setbacks;
  readonly #stop = new AbortController();
  #link: OpenLink | undefined;
  #scheduled = false;
  #running = false;
  #failures = 0;
  /** A link that ended is not opened again before this moment. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(options: PulledLinkOptions) {
    this.roomId = options.roomId;
    this.origin = options.origin;
    this.#options = options;
    this.#wants = new Wants({ clock: options.clock, graceMs: options.graceMs, onChange: () => this.#schedule() });
    const { clock, random, backoff } = options;
    this.#setbacks = new Setbacks({ clock, random, backoff, onDue: () => this.#schedule() });
  }

  get link(): OpenLink | undefined {
    return this.#link;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** @throws MeridianError `closed` */
  pull(item: RelayItem): Pull {
    if (this.closed) throw new MeridianError('closed');
    const pull = this.#wants.add(item);
    if (this.#link?.ready && this.#link.carried.has(keyOf(item))) this.#wants.arrived(keyOf(item));
    return pull;
  }

  /** The producer is closed at its origin. */
  gone(item: RelayItem): void {
    if (this.#link !== undefined && item.kind === 'media') {
      const { early } = this.#link;
      early.set(item.producerId, { ...early.get(item.producerId), closed: true });
    }
    this.#dropLocally(item);
    this.#wants.refuse(keyOf(item), new MeridianError('producer-not-found'));
  }

  /** Paused or resumed at its origin. */
  setPaused(producerId: ProducerId, paused: boolean): void {
    const link = this.#link;
    if (link === undefined) return;
    if (!link.end.producerIds.includes(producerId)) {
      link.early.set(producerId, { ...link.early.get(producerId), paused });
      return;
    }
    link.end.setPaused(producerId, paused).catch((error: unknown) => {
      if (!link.ended) this.#options.log.warn({ err: error, producerId }, 'mirroring a pause failed');
    });
  }

  /** The link is gone without our doing; opened again while something is wanted. */
  lost(linkId: LinkId, why: LinkEnd): void {
    if (this.#link?.linkId !== linkId) return;
    this.#endLink(this.#link, why);
    this.#delayNextOpening();
    this.#schedule();
  }

  /** Ends everything at once. Idempotent. */
  close(why: LinkEnd): void {
    if (this.closed) return;
    this.#stop.abort();
    if (this.#link !== undefined) this.#endLink(this.#link, why);
    this.#wants.close();
    this.#setbacks.keepOnly(this.#wants);
    this.#options.onIdle();
  }

  #schedule(): void {
    if (this.#scheduled || this.#running || this.closed) return;
    this.#scheduled = true;
    // Everything that is wanted in this turn of the event loop goes into one request.
    this.#options.clock.soon(() => {
      this.#scheduled = false;
      if (this.closed || this.#running) return;
      this.#running = true;
      void this.#work().finally(() => {
        this.#running = false;
        if (!this.closed && nextStep(this.#state()).kind !== 'rest') this.#schedule();
      });
    });
  }

  #state() {
    return { wanted: this.#wants.wanted, link: this.#link, rests: (key: string) => this.#setbacks.rests(key) };
  }

  async #work(): Promise<void> {
    while (!this.closed) {
      this.#setbacks.keepOnly(this.#wants);
      const step = nextStep(this.#state());
      switch (step.kind) {
        case 'rest':
          if (this.#link === undefined) this.close('unwanted');
          return;
        case 'close':
          if (this.#link !== undefined) this.#endLink(this.#link, 'unwanted');
          break;
        case 'open':
          await this.#waitForTurn();
          if (!this.closed && this.#wants.wanted.size > 0) await this.#open();
          break;
        case 'pull':
          await this.#pullOnto(step.items);
          break;
        case 'unpull':
          await this.#unpull(step.items);
          break;
        default:
          assertNever(step);
      }
    }
  }

  async #waitForTurn(): Promise<void> {
    const waitMs = this.#notBeforeMs - this.#options.clock.now();
    if (waitMs > 0) await pause(this.#options.clock, waitMs, this.#stop.signal);
  }

  async #open(): Promise<void> {
    const { media, roomId, newLinkId, request, clock } = this.#options;
    const startedMs = clock.now();
    let link: OpenLink | undefined;
    try {
      const end = await openRelayEnd(media, roomId, { linkId: newLinkId(), role: 'puller' });
      link = {
        linkId: end.linkId,
        end,
        openedAtMs: clock.wallNow(),
        carried: new Map(),
        leftover: new Map(),
        early: new Map(),
        ready: false,
        ended: false,
      };
      const { linkId } = link;
      if (this.closed || this.#wants.wanted.size === 0) {
        end.close();
        return;
      }
      this.#link = link;
      end.on('closed', () => this.lost(linkId, 'media-closed'));
      this.#options.onLink(link);
      // What is wanted may have changed while our half was made: ask for what is wanted now.
      const step = nextStep({ ...this.#state(), link: undefined });
      const asked = step.kind === 'open' ? step.items : [];
      const reply = await request(
        'relay.open',
        { roomId, linkId, endpoint: end.endpoint, ...idsOf(asked) },
        this.#stop.signal,
      );
      if (link.ended) return;
      await end.connect(reply.endpoint);
      if (link.ended) return;
      await this.#accept(link, reply.pulled);
      if (link.ended) return;
      link.ready = true;
      this.#failures = 0;
      this.#options.onSetup('opened', clock.now() - startedMs);
      for (const key of link.carried.keys()) this.#wants.arrived(key);
    } catch (error) {
      if (link?.ended || this.closed) return;
      if (link !== undefined) this.#endLink(link, 'setup-failed');
      this.#options.onSetup('failed', clock.now() - startedMs);
      this.#failed('opening a relay failed', error);
    }
  }

  async #pullOnto(items: readonly RelayItem[]): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    link.early.clear();
    try {
      const pulled = await this.#options.request(
        'relay.pull',
        { roomId: this.roomId, linkId: link.linkId, ...idsOf(items) },
        this.#stop.signal,
      );
      if (link.ended) return;
      await this.#accept(link, pulled);
      if (link.ended) return;
      this.#failures = 0;
      for (const item of items) if (link.carried.has(keyOf(item))) this.#wants.arrived(keyOf(item));
    } catch (error) {
      if (link.ended || this.closed) return;
      // What runs over the link runs on; whether the origin is there still is for the check of links to find.
      if (!wasNotHeard(error)) this.#endLink(link, 'setup-failed');
      this.#failed('pulling onto a relay failed', error);
      await this.#waitForTurn();
    }
  }

  async #accept(link: OpenLink, pulled: BusReplyData<'relay.pull'>): Promise<void> {
    const { end } = link;
    for (const id of pulled.missing) {
      for (const key of [`m:${id}`, `d:${id}`]) this.#wants.refuse(key, new MeridianError('producer-not-found'));
    }
    for (const id of pulled.failed ?? []) {
      for (const key of [`m:${id}`, `d:${id}`]) this.#setBack(key, new MeridianError('relay-failed'));
    }
    await Promise.all([
      ...pulled.producers.map((producer) => {
        const item = mediaItem(producer.producerId);
        const said = () => link.early.get(producer.producerId);
        return this.#take(link, item, async () => {
          const accepted = { ...producer, paused: said()?.paused ?? producer.paused };
          await end.accept(accepted);
          if (link.ended || !this.#wants.has(keyOf(item))) return;
          const { closed = false, paused = accepted.paused } = said() ?? {};
          if (closed) throw new MeridianError('producer-not-found');
          if (paused !== accepted.paused) await end.setPaused(producer.producerId, paused);
        });
      }),
      ...pulled.dataProducers.map((dataProducer) =>
        this.#take(link, dataItem(dataProducer.dataProducerId), () => end.acceptData(dataProducer)),
      ),
    ]);
  }

  /** Takes one producer off the link, unless nobody wants it any more. */
  async #take(link: OpenLink, item: RelayItem, accept: () => Promise<void>): Promise<void> {
    const key = keyOf(item);
    // Until it is here, the origin may be sending it for nobody.
    link.leftover.set(key, item);
    if (!this.#wants.has(key)) return;
    try {
      await accept();
    } catch (error) {
      if (link.ended || link.end.closed) throw error;
      dropFrom(link.end, item);
      this.#setBack(key, error);
      return;
    }
    link.leftover.delete(key);
    link.carried.set(key, item);
    this.#setbacks.clear(key);
  }

  /** One stream is not to be had now. */
  #setBack(key: string, error: unknown): void {
    // It has closed meanwhile, or nobody wants it any more.
    if (!this.#wants.has(key)) return;
    const failures = this.#setbacks.add(key);
    const { log } = this.#options;
    log[failures === 1 ? 'warn' : 'debug']({ err: error, item: key, failures }, 'a stream could not be relayed');
  }

  async #unpull(items: readonly RelayItem[]): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    for (const item of items) this.#dropLocally(item);
    try {
      await this.#options.request('relay.unpull', { linkId: link.linkId, ...idsOf(items) }, this.#stop.signal);
    } catch (error) {
      if (link.ended || this.closed) return;
      // The origin sends on for nobody until it hears of it: say it again.
      for (const item of items) {
        link.leftover.set(keyOf(item), item);
      }
      this.#failures += 1;
      this.#delayNextOpening();
      this.#options.log.debug({ err: error }, 'unpull failed');
      await this.#waitForTurn();
    }
  }

  #dropLocally(item: RelayItem): void {
    const link = this.#link;
    if (link === undefined) return;
    link.carried.delete(keyOf(item));
    link.leftover.delete(keyOf(item));
    dropFrom(link.end, item);
  }

  #endLink(link: OpenLink, why: LinkEnd): void {
    if (link.ended) return;
    link.ended = true;
    if (this.#link === link) this.#link = undefined;
    link.end.close();
    this.#wants.allLost();
    if (why !== 'peer-closed') {
      // Best effort: what does not arrive is found by the check for orphans.
      this.#options
        .request('relay.close', { linkId: link.linkId, reason: why }, new AbortController().signal)
        .catch((error: unknown) => this.#options.log.debug({ err: error, linkId: link.linkId }, 'relay.close failed'));
    }
    this.#options.onLinkEnded(link, why);
  }

  #failed(what: string, error: unknown): void {
    const { code } = MeridianError.from(error);
    this.#failures += 1;
    this.#delayNextOpening();
    this.#options.log.warn({ err: error, failures: this.#failures }, what);
    this.#options.onTrouble(code);
  }

  #delayNextOpening(): void {
    const attempt = Math.max(0, this.#failures - 1);
    this.#notBeforeMs = this.#options.clock.now() + backoffMs(this.#options.backoff, attempt, this.#options.random());
  }
}

function dropFrom(end: RelayEnd, item: RelayItem): void {
  if (item.kind === 'media') end.drop(item.producerId);
  else end.dropData(item.dataProducerId);
}

/**
 * Nothing was said of the link: Redis is away, or the origin could not be reached over it just then. After an outage that is
 * so for a moment, since one node hears again before the other.
 */
function wasNotHeard(error: unknown): boolean {
  return (['cluster-unavailable', 'deadline-exceeded', 'node-unknown'] as const).some((code) =>
    isMeridianError(error, code),
  );
}
