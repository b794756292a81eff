import { type HeardTick, TickDetector, TickSource } from '../measure/ticks.ts';

/** Runs on the audio thread: the source of ticks, and their detector. */

declare const sampleRate: number;
declare const currentFrame: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** How long an observation of the clocks counts, in blocks of 128 samples: about five seconds. */
const REMEMBERED = 1_875;

/**
 * When samples pass this thread. Blocks are computed several at a time, so a block's time is not when it is computed: taken
 * is the earliest that a block of the last seconds was, since none can be early.
 */
class SampleClock {
  readonly #ahead = new Float64Array(REMEMBERED).fill(Number.POSITIVE_INFINITY);
  #next = 0;

  /** Once per block. Milliseconds since 1970. */
  observe(): void {
    this.#ahead[this.#next] = Date.now() - (currentFrame * 1_000) / sampleRate;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  timeOf(sample: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const ahead of this.#ahead) if (ahead < least) least = ahead;
    return least + (sample * 1_000) / sampleRate;
  }
}

class Source extends AudioWorkletProcessor {
  readonly #source = new TickSource(sampleRate);
  readonly #clock = new SampleClock();

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    this.#clock.observe();
    const [channel] = outputs[0] ?? [];
    if (channel === undefined) return true;
    const begun = this.#source.fill(channel, currentFrame);
    if (begun !== undefined) this.port.postMessage([begun.tick, this.#clock.timeOf(begun.sample)]);
    return true;
  }
}

class Detector extends AudioWorkletProcessor {
  readonly #clock = new SampleClock();
  readonly #detector = new TickDetector(sampleRate, (heard) => this.#tell(heard));
  #first: number | undefined;

  process(inputs: Float32Array[][]): boolean {
    this.#clock.observe();
    const [channel] = inputs[0] ?? [];
    // Without a source there is no channel at all; time goes on.
    this.#first ??= currentFrame;
    this.#detector.push(channel ?? new Float32Array(128));
    return true;
  }

  #tell({ pitch, sample }: HeardTick): void {
    this.port.postMessage([pitch, this.#clock.timeOf((this.#first ?? 0) + sample)]);
  }
}

registerProcessor('tick-source', Source);
registerProcessor('tick-detector', Detector);
