import { codeLines, type LumaPlane, readTimeCode } from '../measure/time-code.ts';
import { pageMs } from './clock.ts';
import type { KeptFrame } from './contract.ts';

export interface ShownFrame {
  readonly sender: number;
  readonly frame: number;
  readonly shownMs: number;
  readonly receivedMs: number | null;
  readonly decodeMs: number | null;
  readonly width: number;
  readonly height: number;
}

export interface ViewerOptions {
  /** Whether its frames carry a time code; others are only shown. */
  readonly timed: boolean;
  readonly keepEvery: number;
  readonly keepMost: number;
  readonly onShown: (shown: ShownFrame) => void;
  readonly onUnread: () => void;
}

/** Fields of VideoFrameCallbackMetadata that only WebRTC's frames have. */
const extra = (metadata: VideoFrameCallbackMetadata, field: 'receiveTime' | 'processingDuration'): number | undefined =>
  metadata[field];

const isPlanar = (format: string): boolean => format.startsWith('I4') || format.startsWith('NV');

/** CSS pixels. */
const SHOWN_WIDTH = 96;

/** Shows one incoming video and reads the time code of every frame that reaches the screen. */
export class Viewer {
  readonly video = document.createElement('video');
  readonly #options: ViewerOptions;
  readonly #kept = new Map<number, KeptFrame>();
  #keeping = false;
  #lastFrame = -1;
  #closed = false;

  constructor(track: MediaStreamTrack, options: ViewerOptions) {
    this.#options = options;
    const { video } = this;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    // Every frame still reaches the compositor and is read at its full size; painting it large in software, without a graphics card, is
    // what would fill the machine.
    video.width = SHOWN_WIDTH;
    video.srcObject = new MediaStream([track]);
    document.body.append(video);
    video.play().catch(() => {});
    if (options.timed) this.#await();
  }

  /** From now on pictures are kept. */
  keep(): void {
    this.#keeping = true;
  }

  get kept(): readonly KeptFrame[] {
    return [...this.#kept.values()];
  }

  close(): void {
    this.#closed = true;
    this.video.srcObject = null;
    this.video.remove();
  }

  #await(): void {
    this.video.requestVideoFrameCallback((nowMs, metadata) => {
      if (this.#closed) return;
      this.#await();
      void this.#read(nowMs, metadata);
    });
  }

  async #read(nowMs: number, metadata: VideoFrameCallbackMetadata): Promise<void> {
    const { onShown, onUnread } = this.#options;
    let picture: VideoFrame;
    try {
      picture = new VideoFrame(this.video);
    } catch {
      return; // no picture yet, or none any more
    }
    try {
      const code = await this.#codeOf(picture);
      if (code === undefined) {
        onUnread();
        return;
      }
      // The compositor may show one frame twice, and a newer one may be there already when an older one is reported.
      if (code.frame === this.#lastFrame) return;
      this.#lastFrame = code.frame;
      const received = extra(metadata, 'receiveTime');
      const decode = extra(metadata, 'processingDuration');
      const { width, height } = picture.visibleRect ?? metadata;
      onShown({
        ...code,
        shownMs: pageMs(metadata.presentationTime ?? nowMs),
        receivedMs: received === undefined ? null : pageMs(received),
        decodeMs: decode === undefined ? null : decode * 1_000,
        width,
        height,
      });
      await this.#keepSome(picture, code, width, height);
    } finally {
      picture.close();
    }
  }

  async #codeOf(picture: VideoFrame) {
    const { visibleRect, format } = picture;
    if (visibleRect === null || format === null) return undefined;
    const { width } = visibleRect;
    const rect = { x: visibleRect.x, y: visibleRect.y, width, height: codeLines(width) };
    // Its own bytes for every frame: on a busy machine the next one may come before this one is copied.
    const data = new Uint8Array(picture.allocationSize({ rect }));
    const [layout] = await picture.copyTo(data, { rect });
    if (layout === undefined) return undefined;
    // In RGB the green channel stands for brightness: the code is black and white.
    const plane: LumaPlane = isPlanar(format)
      ? { data, offset: layout.offset, stride: layout.stride, step: 1 }
      : { data, offset: layout.offset + 1, stride: layout.stride, step: 4 };
    return readTimeCode(plane, width);
  }

  async #keepSome(
    picture: VideoFrame,
    code: { sender: number; frame: number },
    width: number,
    height: number,
  ): Promise<void> {
    const { keepEvery, keepMost } = this.#options;
    // Not exactly that frame, which may have been lost, but the first one at or after it.
    const slot = Math.floor(code.frame / keepEvery);
    if (!this.#keeping || this.#kept.size >= keepMost || this.#kept.has(slot)) return;
    const bytes = new Uint8Array(picture.allocationSize());
    await picture.copyTo(bytes);
    const format = picture.format ?? '';
    // Luma comes first in all formats with a plane of its own for it; its first lines are the code.
    const fullRange = !isPlanar(format) || hasFullRange(bytes.subarray(0, width * codeLines(width)));
    this.#kept.set(slot, { ...code, width, height, format, fullRange, data: base64(bytes) });
  }
}

/**
 * Limited range ends at 235, and the checksum makes sure that some cells are white. What the browser itself says of the range
 * is lost where a node does not forward the header extension with it.
 */
const LIMITED_WHITE = 240;

function hasFullRange(code: Uint8Array): boolean {
  let bright = 0;
  for (const luma of code) if (luma > LIMITED_WHITE) bright += 1;
  return bright > code.length / 100;
}

export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += 8_192) {
    text += String.fromCharCode(...bytes.subarray(from, from + 8_192));
  }
  return btoa(text);
}
