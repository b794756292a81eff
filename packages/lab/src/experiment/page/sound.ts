import { pageMs } from './clock.ts';

/** The sound of one page: ticks that go out, detectors of those that come in. */
export class Sound {
  readonly #context: AudioContext;
  /** What has to be added to `Date.now()` of the audio thread, which counts whole milliseconds. */
  readonly #skewMs: number;

  private constructor(context: AudioContext) {
    this.#context = context;
    this.#skewMs = skewMs();
  }

  /** @param worklets address of the bundled `tick-worklets.ts` */
  static async open(worklets: string): Promise<Sound> {
    const context = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    await context.audioWorklet.addModule(worklets);
    await context.resume();
    return new Sound(context);
  }

  /** A track with ticks, from now on. */
  microphone(onPlayed: (tick: number, atMs: number) => void): MediaStreamTrack {
    const source = new AudioWorkletNode(this.#context, 'tick-source', { numberOfInputs: 0, outputChannelCount: [1] });
    this.#listen(source, onPlayed);
    const sink = this.#context.createMediaStreamDestination();
    sink.channelCount = 1;
    source.connect(sink);
    const [track] = sink.stream.getAudioTracks();
    if (track === undefined) throw new Error('this browser makes no sound');
    return track;
  }

  /** Listens to an incoming track until the returned function is called. */
  listen(track: MediaStreamTrack, onHeard: (pitch: number, atMs: number) => void): () => void {
    // Chromium decodes a remote track for Web Audio only while an element plays it.
    const silence = this.play(track);
    const source = this.#context.createMediaStreamSource(new MediaStream([track]));
    const detector = new AudioWorkletNode(this.#context, 'tick-detector', { numberOfOutputs: 0, channelCount: 1 });
    this.#listen(detector, onHeard);
    source.connect(detector);
    return () => {
      source.disconnect();
      detector.port.onmessage = null;
      silence();
    };
  }

  /** Plays an incoming track, unheard, until the returned function is called. */
  play(track: MediaStreamTrack): () => void {
    const element = new Audio();
    element.muted = true;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => {});
    return () => {
      element.srcObject = null;
    };
  }

  async close(): Promise<void> {
    if (this.#context.state !== 'closed') await this.#context.close();
  }

  #listen(node: AudioWorkletNode, tell: (number: number, atMs: number) => void): void {
    node.port.onmessage = ({ data }: MessageEvent<[number, number]>) => tell(data[0], data[1] + this.#skewMs);
  }
}

/** `Date.now()` is the wall clock rounded down; the page's clock may have drifted from it. The least distance is the truth. */
function skewMs(): number {
  let least = Number.POSITIVE_INFINITY;
  const until = performance.now() + 8;
  while (performance.now() < until) least = Math.min(least, pageMs() - Date.now());
  return least;
}
