import type { NodeInbox } from '@meridian/cluster';
import type { MediaEngine, RelayEnd } from '@meridian/media';
import {
  type BusReplyData,
  type DataProducerId,
  LinkId,
  MeridianError,
  type NodeId,
  type ProducerId,
  type RoomId,
} from '@meridian/protocol';
import type { Backoff } from '../backoff.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { checkLinks, type LinkToCheck } from './liveness.ts';
import { OriginLinks } from './origin-links.ts';
import { PipeWatch, type WatchedLink } from './pipe-watch.ts';
import { type LinkEnd, type OpenLink, PulledLink } from './pulled-link.ts';
import { dataItem, mediaItem, type RelayItem } from './relay-item.ts';
import type { Pull } from './wants.ts';

export interface RelayObserver {
  opened(role: 'puller' | 'origin', remote: NodeId): void;
  ended(role: 'puller' | 'origin', remote: NodeId, why: LinkEnd): void;
  setup(outcome: 'opened' | 'failed', remote: NodeId, ms: number): void;
}

/** Told to participants as the code of `relay-trouble` while a pipe carries nothing. */
export const RELAY_SILENT = 'relay-silent';
/** A node that is cut off does not answer at all: the judgement must not wait long for it. Milliseconds. */
const SILENCE_ANSWER_MS = 1_500;

export interface RelayManagerOptions {
  readonly media: MediaEngine;
  readonly inbox: NodeInbox;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Logger;
  readonly observer: RelayObserver;
  readonly graceMs: number;
  readonly backoff?: Backoff;
  /** How often the other ends are asked whether they know their links still, milliseconds. */
  readonly checkEveryMs?: number;
}

export interface RelayLinkView {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly remoteNodeId: NodeId;
  readonly role: 'puller' | 'origin';
  readonly openedAtMs: number;
  readonly end: RelayEnd;
  /** Both halves are up. */
  readonly ready: boolean;
  /** Nothing comes through although the origin sends; only the puller can tell. */
  readonly down: boolean;
}

const namesOf = ({ linkId, roomId, remoteNodeId }: WatchedLink) => ({ linkId, roomId, origin: remoteNodeId });

/** Consecutive checks to which nobody listened before a link's other node counts as gone. */
const MISSES_BEFORE_GONE = 3;

/**
 * All relay links of this node, both ways. A link is directed: the node whose participants want to
 * receive pulls; the node where they publish is the origin. `ensure` gives the one puller per room and
 * origin, `pull` a claim on one producer.
 */
export class RelayManager {
  readonly #options: RelayManagerOptions;
  readonly #pulled = new Map<string, PulledLink>();
  readonly #byLinkId = new Map<LinkId, PulledLink>();
  readonly #origin: OriginLinks;
  readonly #misses = new Map<NodeId, number>();
  readonly #troubleListeners = new Set<(trouble: { roomId: RoomId; origin: NodeId; code: string }) => void>();
  readonly #cancelChecks: Cancel;
  readonly #watch: PipeWatch;
  #checking = false;
  #closed = false;

  constructor(options: RelayManagerOptions) {
    this.#options = options;
    const { inbox, observer } = options;
    this.#origin = new OriginLinks({
      media: options.media,
      clock: options.clock,
      log: options.log,
      notify: (to, notice, data) => inbox.notify(to, notice, data),
      tellClosed: (to, linkId, why) => {
        inbox
          .request(to, 'relay.close', { linkId, reason: why })
          .catch((error: unknown) => options.log.debug({ err: error, linkId }, 'relay.close failed'));
      },
      onLink: (link) => observer.opened('origin', link.puller),
      onLinkEnded: (link, why) => observer.ended('origin', link.puller, why),
    });
    this.#serve();
    this.#watch = new PipeWatch({
      clock: options.clock,
      links: () => this.#watchedLinks(),
      askSent: async (remote, linkIds) => {
        const { sent = [] } = await inbox.request(
          remote,
          'relay.check',
          { linkIds, traffic: true },
          { ttlMs: SILENCE_ANSWER_MS },
        );
        return new Map(sent.map(({ linkId, bytes }) => [linkId, bytes]));
      },
      onDown: (link) => {
        options.log.warn(namesOf(link), 'nothing comes over a relay link any more');
        this.#tellTrouble(link.roomId, link.remoteNodeId, RELAY_SILENT);
      },
      onUp: (link) => options.log.info(namesOf(link), 'a relay link carries media again'),
      onReopen: (link) => {
        options.log.warn(namesOf(link), 'a silent relay link is opened anew');
        this.#endLink(link.linkId, 'pipe-dead');
      },
    });
    this.#cancelChecks = options.clock.every(options.checkEveryMs ?? 5_000, () => void this.check());
  }

  /** The one puller for this room and origin; made when there is none. @throws MeridianError `closed` */
  ensure(roomId: RoomId, origin: NodeId): PulledLink {
    if (this.#closed) throw new MeridianError('closed');
    const key = `${roomId}|${origin}`;
    const known = this.#pulled.get(key);
    if (known !== undefined) return known;
    const { media, inbox, clock, random, newId, graceMs, observer } = this.#options;
    const log = this.#options.log.child({ roomId, origin });
    const pulled: PulledLink = new PulledLink({
      roomId,
      origin,
      media,
      clock,
      random,
      graceMs,
      log,
      backoff: this.#options.backoff ?? { firstMs: 250, mostMs: 8_000 },
      newLinkId: () => LinkId.parse(newId()),
      request: (method, data, signal) => inbox.request(origin, method, data, { signal }),
      onLink: (link: OpenLink) => {
        this.#byLinkId.set(link.linkId, pulled);
        observer.opened('puller', origin);
      },
      onLinkEnded: (link, why) => {
        this.#byLinkId.delete(link.linkId);
        observer.ended('puller', origin, why);
      },
      onSetup: (outcome, ms) => observer.setup(outcome, origin, ms),
      onTrouble: (code) => this.#tellTrouble(roomId, origin, code),
      onIdle: () => {
        if (this.#pulled.get(key) === pulled) this.#pulled.delete(key);
      },
    });
    this.#pulled.set(key, pulled);
    return pulled;
  }

  pull(roomId: RoomId, origin: NodeId, item: RelayItem): Pull {
    return this.ensure(roomId, origin).pull(item);
  }

  /** A link could not be opened or used; it is tried again while somebody wants it. */
  onTrouble(listener: (trouble: { roomId: RoomId; origin: NodeId; code: string }) => void): () => void {
    this.#troubleListeners.add(listener);
    return () => this.#troubleListeners.delete(listener);
  }

  /** The room's state says that a producer of another node was paused or resumed. */
  producerPaused(roomId: RoomId, producerId: ProducerId, paused: boolean): void {
    for (const pulled of this.#ofRoom(roomId)) pulled.setPaused(producerId, paused);
  }

  /** The room's state says that a producer is gone. */
  producerClosed(roomId: RoomId, producerId: ProducerId): void {
    for (const pulled of this.#ofRoom(roomId)) pulled.gone(mediaItem(producerId));
  }

  dataProducerClosed(roomId: RoomId, dataProducerId: DataProducerId): void {
    for (const pulled of this.#ofRoom(roomId)) pulled.gone(dataItem(dataProducerId));
  }

  /** A node has nobody in the room any more: it neither sends nor takes anything. */
  nodeLeftRoom(roomId: RoomId, nodeId: NodeId): void {
    this.#pulled.get(`${roomId}|${nodeId}`)?.close('unwanted');
    for (const link of this.#origin.all) {
      if (link.roomId === roomId && link.puller === nodeId) this.#origin.close(link.linkId, 'unwanted');
    }
  }

  /** This node has left the room. */
  closeRoom(roomId: RoomId): void {
    for (const pulled of this.#ofRoom(roomId)) pulled.close('room-closed');
    this.#origin.closeRoom(roomId);
  }

  /** Nodes with which this one has links in the room. */
  nodesOf(roomId: RoomId): Set<NodeId> {
    const pulled = this.#ofRoom(roomId).map((link) => link.origin);
    const offered = this.#origin.all.filter((link) => link.roomId === roomId).map((link) => link.puller);
    return new Set([...pulled, ...offered]);
  }

  /** Open links of both kinds. */
  links(): RelayLinkView[] {
    const views: RelayLinkView[] = [];
    for (const { link, roomId, origin } of this.#pulled.values()) {
      if (link === undefined) continue;
      const { linkId, openedAtMs, end, ready } = link;
      const remoteNodeId = origin;
      const down = this.#watch.isDown({ roomId, remoteNodeId });
      views.push({ linkId, roomId, remoteNodeId, role: 'puller', openedAtMs, end, ready, down });
    }
    for (const { linkId, roomId, puller, openedAtMs, end } of this.#origin.all) {
      if (end === undefined) continue;
      views.push({ linkId, roomId, remoteNodeId: puller, role: 'origin', openedAtMs, end, ready: true, down: false });
    }
    return views;
  }

  /** One round of looking for links that only this side holds. Runs by itself every `checkEveryMs`. */
  async check(): Promise<void> {
    if (this.#checking || this.#closed) return;
    this.#checking = true;
    try {
      // A link that is being opened is not known at the other end yet.
      const links: LinkToCheck[] = this.links().filter((link) => link.ready);
      const verdicts = await checkLinks(links, async (to, linkIds) => {
        const { unknown } = await this.#options.inbox.request(to, 'relay.check', { linkIds });
        return unknown;
      });
      for (const { remoteNodeId, verdict } of verdicts) {
        switch (verdict.kind) {
          case 'answered':
            this.#misses.delete(remoteNodeId);
            for (const linkId of verdict.unknown) this.#endLink(linkId, 'peer-forgot');
            break;
          case 'nobody-listens': {
            const misses = (this.#misses.get(remoteNodeId) ?? 0) + 1;
            this.#misses.set(remoteNodeId, misses);
            if (misses < MISSES_BEFORE_GONE) break;
            this.#misses.delete(remoteNodeId);
            for (const { linkId } of links.filter((link) => link.remoteNodeId === remoteNodeId)) {
              this.#endLink(linkId, 'peer-gone');
            }
            break;
          }
          case 'unknown':
            // Redis does not answer: says nothing about the other node, and media flows without it.
            this.#misses.delete(remoteNodeId);
            break;
        }
      }
    } finally {
      this.#checking = false;
    }
  }

  /** Idempotent. Ends every link and tells the other ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelChecks();
    this.#watch.close();
    for (const pulled of [...this.#pulled.values()]) pulled.close('room-closed');
    this.#origin.closeAll();
    this.#troubleListeners.clear();
  }

  #ofRoom(roomId: RoomId): PulledLink[] {
    return [...this.#pulled.values()].filter((pulled) => pulled.roomId === roomId);
  }

  #tellTrouble(roomId: RoomId, origin: NodeId, code: string): void {
    for (const listener of this.#troubleListeners) listener({ roomId, origin, code });
  }

  #watchedLinks(): WatchedLink[] {
    return [...this.#pulled.values()].flatMap(({ link, roomId, origin }) =>
      link?.ready && link.end.producerIds.length > 0
        ? [
            {
              linkId: link.linkId,
              roomId,
              remoteNodeId: origin,
              received: async () => (await link.end.traffic()).bytesReceived,
            },
          ]
        : [],
    );
  }

  /** What has gone into the pipes that the asker pulls over. */
  async #sentTo(from: NodeId, linkIds: readonly LinkId[]): Promise<NonNullable<BusReplyData<'relay.check'>['sent']>> {
    const readings = await Promise.all(
      linkIds.map(async (linkId) => {
        const link = this.#origin.find(linkId);
        const traffic = link?.puller === from ? await link.end?.traffic().catch(() => undefined) : undefined;
        return traffic === undefined ? [] : [{ linkId, bytes: traffic.bytesSent }];
      }),
    );
    return readings.flat();
  }

  #endLink(linkId: LinkId, why: LinkEnd): void {
    this.#byLinkId.get(linkId)?.lost(linkId, why);
    this.#origin.close(linkId, why);
  }

  #serve(): void {
    const { inbox } = this.#options;
    inbox.handle('relay.open', (data, { from }) => this.#origin.open(data, from));
    inbox.handle('relay.pull', (data, { from }) => this.#origin.pull(data, from));
    inbox.handle('relay.unpull', async (data, { from }) => {
      this.#origin.unpull(data, from);
      return {};
    });
    inbox.handle('relay.close', async ({ linkId }, { from }) => {
      if (this.remoteOf(linkId) === from) this.#endLink(linkId, 'peer-closed');
      return {};
    });
    inbox.handle('relay.check', async ({ linkIds, traffic }, { from }) => ({
      unknown: linkIds.filter((linkId) => this.remoteOf(linkId) !== from),
      ...(traffic ? { sent: await this.#sentTo(from, linkIds) } : {}),
    }));
    inbox.handle('relay.list', async () => ({ links: await this.#describeAll() }));
    const withLink = (linkId: LinkId, from: NodeId, use: (pulled: PulledLink) => void) => {
      const pulled = this.#byLinkId.get(linkId);
      if (pulled?.origin === from) use(pulled);
    };
    inbox.onNotice('relay.producer-paused', ({ linkId, producerId }, from) =>
      withLink(linkId, from, (pulled) => pulled.setPaused(producerId, true)),
    );
    inbox.onNotice('relay.producer-resumed', ({ linkId, producerId }, from) =>
      withLink(linkId, from, (pulled) => pulled.setPaused(producerId, false)),
    );
    inbox.onNotice('relay.producer-closed', ({ linkId, producerId }, from) =>
      withLink(linkId, from, (pulled) => pulled.gone(mediaItem(producerId))),
    );
    inbox.onNotice('relay.data-producer-closed', ({ linkId, dataProducerId }, from) =>
      withLink(linkId, from, (pulled) => pulled.gone(dataItem(dataProducerId))),
    );
  }

  /** The node at the other end of an open link. */
  remoteOf(linkId: LinkId): NodeId | undefined {
    return this.#byLinkId.get(linkId)?.origin ?? this.#origin.find(linkId)?.puller;
  }

  async #describeAll(): Promise<BusReplyData<'relay.list'>['links']> {
    const described = await Promise.all(
      this.links().map(async ({ end, linkId, roomId, remoteNodeId, role, openedAtMs, down }) => {
        const stats = await end.stats().catch(() => undefined);
        if (stats === undefined) return [];
        return [
          {
            linkId,
            roomId,
            remoteNodeId,
            role,
            producers: end.producerIds.length,
            dataProducers: end.dataProducerIds.length,
            rttMs: stats.rttMs,
            jitterMs: stats.jitterMs,
            lossFraction: stats.lossFraction,
            bytesSent: stats.bytesSent,
            bytesReceived: stats.bytesReceived,
            openedAtMs,
            down,
          },
        ];
      }),
    );
    return described.flat();
  }
}
