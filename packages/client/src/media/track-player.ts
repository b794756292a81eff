/** Videos lie on one another and fill their container. */
const LAID_OVER = { position: 'absolute', inset: '0', width: '100%', height: '100%' } as const;
/** From the old sound to the new one, milliseconds and steps. */
const CROSS_FADE = { ms: 40, steps: 8 } as const;
/** A track that does not say that it plays by then is taken to play. Milliseconds. */
const PLAYS_WITHIN_MS = 1_500;

export interface VideoPlayerOptions {
  /** Of each video element: how the picture fits, for instance. */
  readonly className?: string | undefined;
  /** The picture seen is that of another element from now on. */
  readonly onShown?: ((element: HTMLVideoElement) => void) | undefined;
}

/**
 * Plays one video track after another in a container without a gap. The next track gets an element of its own on
 * top of the one before: without a frame it is transparent, and with its first frame it covers the old picture in the very
 * paint that shows it. Only then the old element goes. Without sound: that is for `AudioPlayer`.
 */
export class VideoPlayer {
  readonly #container: HTMLElement;
  readonly #options: VideoPlayerOptions;
  #shown: HTMLVideoElement | undefined;
  #next: HTMLVideoElement | undefined;

  /** @param container is positioned by this (`relative`) unless it is already */
  constructor(container: HTMLElement, options: VideoPlayerOptions = {}) {
    this.#container = container;
    this.#options = options;
    if (getComputedStyle(container).position === 'static') container.style.position = 'relative';
  }

  /** The element whose picture is seen. */
  get element(): HTMLVideoElement | undefined {
    return this.#shown;
  }

  /** Shows this track as soon as it has a picture, the one before until then; null: nothing from now on. */
  show(track: MediaStreamTrack | null): void {
    if (track === null) {
      this.close();
      return;
    }
    if (trackOf(this.#next ?? this.#shown) === track) return;
    drop(this.#next);
    this.#next = undefined;
    // Back to what is seen anyway.
    if (trackOf(this.#shown) === track) return;
    const element = videoElement(track, this.#options.className);
    this.#container.append(element);
    if (this.#shown === undefined) {
      this.#shown = element;
      this.#options.onShown?.(element);
      return;
    }
    this.#next = element;
    onFirstFrame(element, () => {
      if (this.#next !== element) return;
      drop(this.#shown);
      this.#shown = element;
      this.#next = undefined;
      this.#options.onShown?.(element);
    });
  }

  /** Idempotent. Shows nothing; `show` may be called again. */
  close(): void {
    drop(this.#next);
    drop(this.#shown);
    this.#next = undefined;
    this.#shown = undefined;
  }
}

export interface AudioPlayerOptions {
  /** The browser wants a click first: call `play` from one. */
  readonly onBlocked?: (() => void) | undefined;
}

/** Plays one audio track after another: the next one is faded in while the one before is faded out. */
export class AudioPlayer {
  readonly #options: AudioPlayerOptions;
  #heard: HTMLAudioElement | undefined;
  #next: HTMLAudioElement | undefined;
  #stopFading = () => {};

  constructor(options: AudioPlayerOptions = {}) {
    this.#options = options;
  }

  /** Changes over to this track once it plays; null: silence. */
  show(track: MediaStreamTrack | null): void {
    if (track === null) {
      this.close();
      return;
    }
    if (trackOf(this.#next ?? this.#heard) === track) return;
    this.#stopFading();
    drop(this.#next);
    this.#next = undefined;
    if (trackOf(this.#heard) === track) return;
    const element = new Audio();
    element.srcObject = new MediaStream([track]);
    if (this.#heard === undefined) {
      this.#heard = element;
      this.#start(element);
      return;
    }
    this.#next = element;
    element.volume = 0;
    let isOn = false;
    const onPlaying = () => {
      if (isOn || this.#next !== element) return;
      isOn = true;
      clearTimeout(timer);
      this.#fadeOver(element);
    };
    const timer = setTimeout(onPlaying, PLAYS_WITHIN_MS);
    element.addEventListener('timeupdate', () => {
      if (element.currentTime > 0) onPlaying();
    });
    this.#start(element);
  }

  /** After a click, where the browser has held the sound back. */
  play(): void {
    for (const element of [this.#heard, this.#next]) if (element !== undefined) this.#start(element);
  }

  /** Idempotent. Silence; `show` may be called again. */
  close(): void {
    this.#stopFading();
    drop(this.#next);
    drop(this.#heard);
    this.#next = undefined;
    this.#heard = undefined;
  }

  #start(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.#options.onBlocked?.();
    });
  }

  #fadeOver(element: HTMLAudioElement): void {
    const before = this.#heard;
    let step = 0;
    const timer = setInterval(() => {
      step += 1;
      // Equal power: both are the same voice a moment apart, so neither a hole nor a bump is heard.
      const part = Math.min(1, step / CROSS_FADE.steps) * (Math.PI / 2);
      element.volume = Math.sin(part);
      if (before !== undefined) before.volume = Math.max(0, Math.cos(part));
      if (step >= CROSS_FADE.steps) this.#stopFading();
    }, CROSS_FADE.ms / CROSS_FADE.steps);
    this.#stopFading = () => {
      clearInterval(timer);
      this.#stopFading = () => {};
      element.volume = 1;
      drop(before);
      this.#heard = element;
      this.#next = undefined;
    };
  }
}

function videoElement(track: MediaStreamTrack, className: string | undefined): HTMLVideoElement {
  const element = document.createElement('video');
  Object.assign(element.style, LAID_OVER);
  if (className !== undefined) element.className = className;
  element.muted = true;
  element.autoplay = true;
  element.playsInline = true;
  element.disablePictureInPicture = true;
  element.srcObject = new MediaStream([track]);
  element.play().catch(() => {
    // Muted video may always play; an element that is taken away again interrupts itself, which is fine.
  });
  return element;
}

function onFirstFrame(element: HTMLVideoElement, callback: () => void): void {
  if ('requestVideoFrameCallback' in element) element.requestVideoFrameCallback(callback);
  else (element as HTMLMediaElement).addEventListener('timeupdate', callback, { once: true });
}

function trackOf(element: HTMLMediaElement | undefined): MediaStreamTrack | undefined {
  const source = element?.srcObject;
  return source instanceof MediaStream ? source.getTracks()[0] : undefined;
}

function drop(element: HTMLMediaElement | undefined): void {
  if (element === undefined) return;
  element.pause();
  element.srcObject = null;
  element.remove();
}
