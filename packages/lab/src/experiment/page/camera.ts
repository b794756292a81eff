import { pageMs } from './clock.ts';
import { PictureMaker } from './picture.ts';

/** A camera that draws its pictures itself and notes when it drew which. */
export class Camera {
  readonly track: MediaStreamTrack;
  readonly #maker: PictureMaker;
  readonly #periodMs: number;
  readonly #onDrawn: (frame: number, atMs: number) => void;
  readonly #request: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next = 0;
  #startedMs = 0;

  constructor(
    options: { sender: number; width: number; height: number; fps: number },
    onDrawn: (frame: number, atMs: number) => void,
  ) {
    this.#maker = new PictureMaker(options);
    this.#periodMs = 1_000 / options.fps;
    this.#onDrawn = onDrawn;
    // 0: a frame is taken only when asked for, so each is taken once and right after it was drawn.
    const [track] = this.#maker.canvas.captureStream(0).getVideoTracks();
    if (!(track instanceof CanvasCaptureMediaStreamTrack)) throw new Error('this browser captures no canvas');
    this.track = track;
    this.#request = () => track.requestFrame();
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#tick();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.track.stop();
  }

  #tick(): void {
    this.#maker.draw(this.#next);
    this.#request();
    this.#onDrawn(this.#next, pageMs());
    // The number goes with the time: a frame that came too late to be drawn is left out, and missed in the record.
    const due = (performance.now() - this.#startedMs) / this.#periodMs;
    this.#next = Math.max(this.#next + 1, Math.floor(due) + 1);
    this.#timer = setTimeout(
      () => this.#tick(),
      Math.max(0, this.#startedMs + this.#next * this.#periodMs - performance.now()),
    );
  }
}
