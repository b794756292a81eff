import {
  isSdkError,
  isVideoCodec,
  join,
  type Preparation,
  parseRoomUrl,
  prepare,
  type Room,
  type RoomEnd,
  type SdkError,
  toSdkError,
  type VideoCodec,
} from '@meridian/client';
import type { RoomView } from '@meridian/protocol';
import { LocalMedia } from '../media/local-media.ts';
import { isVideoQuality } from '../media/video-quality.ts';
import { account, api } from '../service.ts';
import { Store } from '../store.ts';
import { REACTIONS_LABEL } from './reactions.ts';

export type Stage =
  | { readonly name: 'lobby'; readonly joining: boolean }
  | { readonly name: 'in'; readonly room: Room }
  | { readonly name: 'over'; readonly end: RoomEnd }
  | { readonly name: 'failed'; readonly error: SdkError };

export interface VisitState {
  readonly stage: Stage;
  /** Once it is known. */
  readonly info: RoomView | undefined;
}

declare global {
  interface Window {
    /** For tests and for looking into a call from the browser's console; see the README of `web`. */
    meridian?: { readonly room: Room | undefined };
  }
}

/** Time to type on before the name is sent to the service. Milliseconds. */
const NAME_PAUSE_MS = 600;

/** One visit of a room's page: from the preview through the call to its end. */
export class Visit extends Store<VisitState> {
  readonly slug: string;
  readonly media: LocalMedia;
  readonly preparation: Preparation;
  readonly initialName: string;
  readonly invited: boolean;
  readonly #stop = new AbortController();
  readonly #autojoin: boolean;
  readonly #region: string | undefined;
  readonly #videoCodec: VideoCodec | undefined;
  #cancelNaming = () => {};
  #standsByFor: string | undefined;

  /** @throws what `prepare` throws: the address is no room's, the region no region's */
  constructor(slug: string) {
    super({ stage: { name: 'lobby', joining: false }, info: undefined });
    this.slug = slug;
    const query = new URLSearchParams(window.location.search);
    const quality = query.get('quality');
    const codec = query.get('codec');
    this.#videoCodec = isVideoCodec(codec) ? codec : undefined;
    this.#region = query.get('region') ?? undefined;
    this.#autojoin = query.get('autojoin') === '1';
    this.initialName = query.get('name')?.trim() || account.name;
    const address = parseRoomUrl(window.location.href);
    this.invited = address.invitation !== undefined;
    this.preparation = prepare(window.location.href, this.#options);
    this.media = new LocalMedia(isVideoQuality(quality) ? quality : undefined);
  }

  /** Opens the devices and looks the room up; joins at once where the address says so. */
  async open(): Promise<void> {
    const devices = this.media.start();
    void this.#lookUp();
    if (this.initialName === '') return;
    if (this.#autojoin) {
      await devices;
      await this.join(this.initialName);
    } else {
      this.nameAhead(this.initialName);
    }
  }

  /** Tells the service the name and connects to a node, while the person is still looking at the preview. */
  nameAhead(name: string): void {
    this.#cancelNaming();
    if (name === '') return;
    const timer = setTimeout(() => void this.standBy(name), NAME_PAUSE_MS);
    this.#cancelNaming = () => clearTimeout(timer);
  }

  /** What is wrong here is met again by the join, which reports it. */
  async standBy(name: string): Promise<void> {
    try {
      const { userToken } = await account.ensureNamed(name);
      const { stage } = this.get();
      if (stage.name !== 'lobby' || stage.joining || this.#stop.signal.aborted) return;
      // Names stand in tokens: what stands by under another one is of no use.
      if (this.#standsByFor !== userToken) this.preparation.close();
      this.#standsByFor = userToken;
      this.preparation.standBy();
    } catch {
      // see above
    }
  }

  async join(name: string): Promise<void> {
    const { stage } = this.get();
    if (stage.name !== 'lobby' || stage.joining) return;
    this.#show({ name: 'lobby', joining: true });
    this.#cancelNaming();
    try {
      await account.ensureNamed(name);
      const room = await join(window.location.href, {
        ...this.#options,
        preparation: this.preparation,
        tracks: this.media.tracks,
        dataLabels: [REACTIONS_LABEL],
        videoCodec: this.#videoCodec,
      });
      if (this.#stop.signal.aborted) {
        await room.leave();
        return;
      }
      this.#enter(room);
    } catch (thrown) {
      if (!this.#stop.signal.aborted) this.#fail(toSdkError(thrown));
    }
  }

  /** Idempotent. Leaves the call if there is one, and gives the devices back. */
  close(): void {
    this.#cancelNaming();
    this.#stop.abort();
    const { stage } = this.get();
    if (stage.name === 'in') void stage.room.leave();
    this.media.close();
    window.meridian = { room: undefined };
  }

  get #options() {
    return { userToken: account.tokens, region: this.#region, signal: this.#stop.signal };
  }

  #enter(room: Room): void {
    window.meridian = { room };
    // The invitation has done its work: it shall not be copied on with the address.
    if (this.invited) window.history.replaceState(null, '', window.location.pathname + window.location.search);
    room.on('ended', (end) => {
      this.media.close();
      if (!this.#stop.signal.aborted) this.#show({ name: 'over', end });
    });
    this.media.use(room);
    this.set({ stage: { name: 'in', room }, info: room.info });
  }

  /** Title and standing before the join, and at once if there is no such room. */
  async #lookUp(): Promise<void> {
    try {
      const { slug } = this.preparation.context.address;
      const info = await account.with((userToken) => api.room(slug, userToken, this.#stop.signal));
      this.set({ ...this.get(), info });
    } catch (thrown) {
      const hopeless = isSdkError(thrown, 'room-not-found') || (isSdkError(thrown, 'room-private') && !this.invited);
      if (hopeless && this.get().stage.name === 'lobby') this.#fail(thrown);
    }
  }

  #fail(error: SdkError): void {
    this.media.close();
    this.preparation.close();
    this.#show({ name: 'failed', error });
  }

  #show(stage: Stage): void {
    this.set({ ...this.get(), stage });
  }
}
