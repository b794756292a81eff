import type { MediaEngine, RelayEnd } from '@meridian/media';
import {
  type BusNotice,
  type BusNoticeData,
  type BusReplyData,
  type BusRequestData,
  isMeridianError,
  type LinkId,
  MeridianError,
  type NodeId,
  type RoomId,
} from '@meridian/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { LinkEnd } from './pulled-link.ts';

export interface OriginLinksOptions {
  readonly media: MediaEngine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly notify: <N extends BusNotice>(to: NodeId, notice: N, data: BusNoticeData<N>) => Promise<boolean>;
  readonly tellClosed: (to: NodeId, linkId: LinkId, why: LinkEnd) => void;
  readonly onLink: (link: OriginLink) => void;
  readonly onLinkEnded: (link: OriginLink, why: LinkEnd) => void;
}

/** News of a producer that did not get through are told again after this, milliseconds. */
const TELL_AGAIN_MS = 1_000;

/** The origin's half of a link, from the moment it was asked for. */
export interface OriginLink {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly puller: NodeId;
  /** Milliseconds since 1970. */
  readonly openedAtMs: number;
  /** undefined while it is being opened. */
  end: RelayEnd | undefined;
  ended: boolean;
}

/** What other nodes pull from here: answers relay.open, .pull, .unpull and .close, and mirrors changes to the puller. */
export class OriginLinks {
  readonly #options: OriginLinksOptions;
  readonly #links = new Map<LinkId, OriginLink>();

  constructor(options: OriginLinksOptions) {
    this.#options = options;
  }

  get all(): readonly OriginLink[] {
    return [...this.#links.values()];
  }

  has(linkId: LinkId): boolean {
    return this.#links.has(linkId);
  }

  find(linkId: LinkId): OriginLink | undefined {
    return this.#links.get(linkId);
  }

  /** @throws MeridianError `room-not-found` when nobody is in the room here, `bad-request` for a known link */
  async open(request: BusRequestData<'relay.open'>, puller: NodeId): Promise<BusReplyData<'relay.open'>> {
    const { linkId, roomId } = request;
    const room = this.#options.media.room(roomId);
    if (room === undefined || room.closed) throw new MeridianError('room-not-found');
    if (this.#links.has(linkId)) throw new MeridianError('bad-request', { message: 'this link exists already' });
    // A puller has one link per room and origin: an older one is what a failed attempt has left behind.
    for (const older of this.all) {
      if (older.roomId === roomId && older.puller === puller) this.#end(older, 'peer-forgot');
    }
    const link: OriginLink = {
      linkId,
      roomId,
      puller,
      openedAtMs: this.#options.clock.wallNow(),
      end: undefined,
      ended: false,
    };
    this.#links.set(linkId, link);
    try {
      const end = await room.openRelayEnd({ linkId, role: 'origin' });
      if (link.ended) {
        end.close();
        throw new MeridianError('closed');
      }
      link.end = end;
      this.#mirror(link, end);
      this.#options.onLink(link);
      const [, pulled] = await Promise.all([end.connect(request.endpoint), this.#offer(end, request)]);
      if (link.ended) throw new MeridianError('closed');
      return { endpoint: end.endpoint, pulled };
    } catch (error) {
      this.#end(link, 'setup-failed');
      throw error;
    }
  }

  /** @throws MeridianError `not-found` for a link that is not (or no longer) open */
  async pull(request: BusRequestData<'relay.pull'>, puller: NodeId): Promise<BusReplyData<'relay.pull'>> {
    const link = this.#of(request.linkId, puller);
    if (link?.end === undefined) throw new MeridianError('not-found', { message: 'there is no such relay link' });
    return await this.#offer(link.end, request);
  }

  unpull(request: BusRequestData<'relay.unpull'>, puller: NodeId): void {
    const end = this.#of(request.linkId, puller)?.end;
    if (end === undefined) return;
    for (const producerId of request.producerIds) end.withdraw(producerId);
    for (const dataProducerId of request.dataProducerIds) end.withdrawData(dataProducerId);
  }

  /** Ends a link and tells its puller, unless that is where it comes from. Unknown links are ignored. */
  close(linkId: LinkId, why: LinkEnd): void {
    const link = this.#links.get(linkId);
    if (link !== undefined) this.#end(link, why);
  }

  /** This node has left the room: there is nothing to pull any more. */
  closeRoom(roomId: RoomId): void {
    for (const link of this.all) if (link.roomId === roomId) this.#end(link, 'room-closed');
  }

  closeAll(): void {
    for (const link of this.all) this.#end(link, 'room-closed');
  }

  #of(linkId: LinkId, puller: NodeId): OriginLink | undefined {
    const link = this.#links.get(linkId);
    return link?.puller === puller ? link : undefined;
  }

  async #offer(end: RelayEnd, asked: BusRequestData<'relay.pull'> | BusRequestData<'relay.open'>) {
    const missing: string[] = [];
    const failed: string[] = [];
    const orNot = async <T>(id: string, offered: Promise<T>): Promise<T[]> => {
      try {
        return [await offered];
      } catch (error) {
        if (isMeridianError(error, 'producer-not-found')) missing.push(id);
        else if (end.closed) throw error;
        else {
          this.#options.log.warn({ err: error, linkId: end.linkId, id }, 'a stream could not be put onto a relay');
          failed.push(id);
        }
        return [];
      }
    };
    const [producers, dataProducers] = await Promise.all([
      Promise.all(asked.producerIds.map((id) => orNot(id, end.offer(id)))),
      Promise.all(asked.dataProducerIds.map((id) => orNot(id, end.offerData(id)))),
    ]);
    return { producers: producers.flat(), dataProducers: dataProducers.flat(), missing, failed };
  }

  /**
   * News of a producer. The room's events bring the same, but not always: a mute that was taken back before Redis could be told
   * leaves none. So what is true last is told until the puller listens.
   */
  #mirror(link: OriginLink, end: RelayEnd): void {
    const { linkId, puller } = link;
    const { clock, log, notify } = this.#options;
    const untold = new Map<string, symbol>();
    const tell = <N extends BusNotice>(id: string, notice: N, data: BusNoticeData<N>): void => {
      const mine = Symbol(notice);
      untold.set(id, mine);
      const attempt = async () => {
        if (link.ended || untold.get(id) !== mine) return;
        const heard = await notify(puller, notice, data).catch((error: unknown) => {
          log.debug({ err: error, linkId, notice }, 'a relay notice was not sent');
          return false;
        });
        if (untold.get(id) !== mine) return;
        if (heard) untold.delete(id);
        else clock.after(TELL_AGAIN_MS, () => void attempt());
      };
      void attempt();
    };
    end.on('producer-paused', (producerId) => tell(producerId, 'relay.producer-paused', { linkId, producerId }));
    end.on('producer-resumed', (producerId) => tell(producerId, 'relay.producer-resumed', { linkId, producerId }));
    end.on('producer-closed', (producerId) => tell(producerId, 'relay.producer-closed', { linkId, producerId }));
    end.on('data-producer-closed', (dataProducerId) =>
      tell(dataProducerId, 'relay.data-producer-closed', { linkId, dataProducerId }),
    );
    end.on('closed', () => this.#end(link, 'media-closed'));
  }

  #end(link: OriginLink, why: LinkEnd): void {
    if (link.ended) return;
    link.ended = true;
    this.#links.delete(link.linkId);
    link.end?.close();
    if (why !== 'peer-closed' && why !== 'setup-failed') this.#options.tellClosed(link.puller, link.linkId, why);
    if (link.end !== undefined) this.#options.onLinkEnded(link, why);
  }
}
