import {
  type DeviceInfo,
  listDevices,
  onDevicesChanged,
  openCamera,
  openMicrophone,
  openScreen,
  type Room,
  type SdkError,
  type TrackToPublish,
  toSdkError,
} from '@meridian/client';
import { readPreference, writePreference } from '../preferences.ts';
import { Store } from '../store.ts';
import { isVideoQuality, VIDEO_QUALITIES, type VideoQuality } from './video-quality.ts';

export type LocalDevice = 'camera' | 'microphone';

export interface DeviceState {
  /** What the person asked for; buttons show this at once. */
  readonly on: boolean;
  readonly track: MediaStreamTrack | null;
  readonly opening: boolean;
  readonly error: SdkError | null;
  /** The chosen one; undefined leaves it to the browser. */
  readonly deviceId: string | undefined;
}

export interface LocalMediaState {
  readonly camera: DeviceState;
  readonly microphone: DeviceState;
  readonly quality: VideoQuality;
  readonly screen: { readonly sharing: boolean; readonly error: SdkError | null };
  readonly devices: readonly DeviceInfo[];
}

const initial = (device: LocalDevice): DeviceState => ({
  on: readPreference(device) !== 'off',
  track: null,
  opening: false,
  error: null,
  deviceId: readPreference(`${device}.device`),
});

/**
 * Our camera, microphone and screen: opened for the preview, then handed to the room, which stops
 * them when it is left. Per device one job runs at a time and works towards what was asked for last.
 */
export class LocalMedia extends Store<LocalMediaState> {
  readonly #jobs: Record<LocalDevice, Promise<void>> = { camera: Promise.resolve(), microphone: Promise.resolve() };
  readonly #undo: (() => void)[] = [];
  #room: Room | undefined;
  #closed = false;

  constructor(quality?: VideoQuality) {
    const kept = readPreference('quality');
    super({
      camera: initial('camera'),
      microphone: initial('microphone'),
      quality: quality ?? (isVideoQuality(kept) ? kept : 'high'),
      screen: { sharing: false, error: null },
      devices: [],
    });
    this.#undo.push(onDevicesChanged(() => void this.#listDevices()));
  }

  /** Opens what is meant to be on. Resolves when it is, or has failed. */
  async start(): Promise<void> {
    await Promise.all([this.#align('camera'), this.#align('microphone')]);
  }

  /** For the join: what is open now. What opens later is published then. */
  get tracks(): TrackToPublish[] {
    const { camera, microphone } = this.get();
    return [
      ...(microphone.track === null
        ? []
        : [{ source: 'microphone', track: microphone.track, muted: !microphone.on } as const]),
      ...(camera.track === null ? [] : [{ source: 'camera', track: camera.track } as const]),
    ];
  }

  /** From now on everything goes to this room, too. */
  use(room: Room): void {
    this.#room = room;
    this.#undo.push(
      room.on('local-track-ended', ({ source }) => {
        if (source === 'screen' || source === 'screen-audio') void this.stopScreen();
      }),
    );
    void this.#align('camera');
    void this.#align('microphone');
  }

  toggle(device: LocalDevice): void {
    this.switch(device, !this.get()[device].on);
  }

  switch(device: LocalDevice, on: boolean): void {
    this.#patch(device, { on, error: null });
    writePreference(device, on ? 'on' : 'off');
    void this.#align(device);
  }

  choose(device: LocalDevice, deviceId: string): void {
    this.#patch(device, { deviceId, error: null });
    writePreference(`${device}.device`, deviceId);
    this.#reopen(device);
  }

  chooseQuality(quality: VideoQuality): void {
    this.set({ ...this.get(), quality });
    writePreference('quality', quality);
    this.#reopen('camera');
  }

  dismiss(what: LocalDevice | 'screen'): void {
    if (what === 'screen') this.#setScreen({ error: null });
    else this.#patch(what, { error: null });
  }

  async startScreen(): Promise<void> {
    const room = this.#room;
    if (room === undefined || this.get().screen.sharing) return;
    try {
      const { video, audio } = await openScreen();
      if (this.#closed || room.phase.name === 'ended') {
        video.stop();
        audio?.stop();
        return;
      }
      this.#setScreen({ sharing: true, error: null });
      await Promise.all([room.publish('screen', video), audio && room.publish('screen-audio', audio)]);
    } catch (thrown) {
      this.#setScreen({ sharing: false, error: toSdkError(thrown) });
    }
  }

  async stopScreen(): Promise<void> {
    this.#setScreen({ sharing: false });
    const room = this.#room;
    await Promise.allSettled([room?.unpublish('screen'), room?.unpublish('screen-audio')]);
  }

  /** Idempotent. Switches everything off for good. */
  close(): void {
    this.#closed = true;
    for (const undo of this.#undo.splice(0)) undo();
    const { camera, microphone } = this.get();
    camera.track?.stop();
    microphone.track?.stop();
  }

  #reopen(device: LocalDevice): void {
    this.#enqueue(device, async () => {
      const { track } = this.get()[device];
      if (track === null) return;
      // Phones give out one camera at a time.
      track.stop();
      await this.#open(device);
    });
  }

  #align(device: LocalDevice): Promise<void> {
    return this.#enqueue(device, async () => {
      const { on, track } = this.get()[device];
      if (on && track === null) await this.#open(device);
      else if (on) await this.#publish(device, track);
      else if (device === 'microphone') await this.#muteMicrophone(track);
      else await this.#closeCamera(track);
    });
  }

  #enqueue(device: LocalDevice, job: () => Promise<void>): Promise<void> {
    const next = this.#jobs[device].then(async () => {
      if (this.#closed) return;
      try {
        await job();
      } catch (thrown) {
        // The room may have ended meanwhile; its own end says more than this would.
        if (this.#room?.phase.name !== 'ended') this.#patch(device, { error: toSdkError(thrown) });
      }
    });
    this.#jobs[device] = next;
    return next;
  }

  async #open(device: LocalDevice): Promise<void> {
    this.#patch(device, { opening: true });
    const { deviceId } = this.get()[device];
    let track: MediaStreamTrack;
    try {
      track = await this.#openDevice(device, deviceId);
    } catch (thrown) {
      this.#patch(device, { opening: false, on: false, track: null, error: toSdkError(thrown) });
      return;
    }
    if (this.#closed) {
      track.stop();
      return;
    }
    const { on, track: before } = this.get()[device];
    track.enabled = on;
    track.addEventListener('ended', () => this.#onEnded(device, track));
    this.#patch(device, { opening: false, track, error: null });
    void this.#listDevices();
    await this.#publish(device, track);
    if (before !== track) before?.stop();
  }

  /** The chosen device may be unplugged since: then any other is better than none. */
  async #openDevice(device: LocalDevice, deviceId: string | undefined): Promise<MediaStreamTrack> {
    const open = (id: string | undefined) =>
      device === 'camera'
        ? openCamera({ deviceId: id, ...VIDEO_QUALITIES[this.get().quality].camera })
        : openMicrophone({ deviceId: id });
    try {
      return await open(deviceId);
    } catch (thrown) {
      if (deviceId === undefined || !toSdkError(thrown).code.endsWith('-missing')) throw thrown;
      this.#patch(device, { deviceId: undefined });
      return open(undefined);
    }
  }

  async #publish(device: LocalDevice, track: MediaStreamTrack | null): Promise<void> {
    const room = this.#room;
    if (room === undefined || track === null) {
      if (track) track.enabled = true;
      return;
    }
    const muted = !this.get()[device].on;
    if (room.publication(device) === undefined) await room.publish(device, track, { muted });
    else {
      await room.replaceTrack(device, track);
      await (muted ? room.mute(device) : room.unmute(device));
    }
  }

  async #muteMicrophone(track: MediaStreamTrack | null): Promise<void> {
    if (track !== null) track.enabled = false;
    if (this.#room?.publication('microphone') !== undefined) await this.#room.mute('microphone');
  }

  /** Its light goes out: the device is given back, the place in the room stays. */
  async #closeCamera(track: MediaStreamTrack | null): Promise<void> {
    this.#patch('camera', { track: null });
    if (this.#room?.publication('camera') !== undefined) {
      await this.#room.mute('camera');
      await this.#room.replaceTrack('camera', null);
    }
    track?.stop();
  }

  /** Unplugged, or taken back by the browser. */
  #onEnded(device: LocalDevice, track: MediaStreamTrack): void {
    if (this.#closed || this.get()[device].track !== track) return;
    this.#patch(device, { on: false, track: null });
    void this.#align(device);
  }

  async #listDevices(): Promise<void> {
    const devices = await listDevices();
    if (!this.#closed) this.set({ ...this.get(), devices });
  }

  #patch(device: LocalDevice, change: Partial<DeviceState>): void {
    const state = this.get();
    this.set({ ...state, [device]: { ...state[device], ...change } });
  }

  #setScreen(change: Partial<LocalMediaState['screen']>): void {
    const state = this.get();
    this.set({ ...state, screen: { ...state.screen, ...change } });
  }
}
