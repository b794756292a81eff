/**
 * Ticks: short tones at known times whose pitch says which tick it was, so that the way of sound can be timed. Around them goes
 * a faint noise, so that the stream is never silent and discontinuous transmission does not stop it.
 */
export const TICK_EVERY_MS = 400;
export const TICK_MS = 30;
/** Hz; tick n has pitch n modulo their number. Latencies below the product of both are told apart: 3.2 s. */
const PITCHES = [1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500] as const;
const LOUD = 0.4;
const FAINT = 0.004;

export const pitchOf = (tick: number): number =>
  PITCHES[((tick % PITCHES.length) + PITCHES.length) % PITCHES.length] ?? 0;

/** Gives the sound sample by sample. */
export class TickSource {
  readonly #rate: number;
  readonly #period: number;
  readonly #length: number;
  #noise = 1;

  /** @param rate samples per second */
  constructor(rate: number) {
    this.#rate = rate;
    this.#period = Math.round((rate * TICK_EVERY_MS) / 1_000);
    this.#length = Math.round((rate * TICK_MS) / 1_000);
  }

  /**
   * Fills `into` with the samples from number `from` on.
   * @returns the tick that begins in it and the sample it begins with, if one does
   */
  fill(into: Float32Array, from: number): { tick: number; sample: number } | undefined {
    let begun: { tick: number; sample: number } | undefined;
    for (let index = 0; index < into.length; index += 1) {
      const sample = from + index;
      const tick = Math.floor(sample / this.#period);
      const within = sample - tick * this.#period;
      if (within === 0) begun = { tick, sample };
      // A linear congruential generator: noise that is the same in every run.
      this.#noise = (Math.imul(this.#noise, 1_664_525) + 1_013_904_223) >>> 0;
      const noise = (this.#noise / 2 ** 31 - 1) * FAINT;
      const tone = within < this.#length ? Math.sin((2 * Math.PI * pitchOf(tick) * within) / this.#rate) * LOUD : 0;
      into[index] = noise + tone;
    }
    return begun;
  }
}

const WINDOW_MS = 4;
const HOP_MS = 1;
/** A tone is there when this share of the window's power has one pitch, and it is so loud. */
const TONE_SHARE = 0.45;
const LEAST_POWER = 0.001;
/** After a tick nothing is taken for one, ms: the tone itself, and its echo in the decoder. */
const DEAF_MS = 150;

export interface HeardTick {
  /** Number of the tick modulo the number of pitches. */
  readonly pitch: number;
  /** Number of the sample it was first heard in. */
  readonly sample: number;
}

/** Finds ticks in received sound, to about a millisecond. */
export class TickDetector {
  readonly #window: Float32Array;
  readonly #hop: number;
  readonly #rate: number;
  readonly #deaf: number;
  readonly #found: (tick: HeardTick) => void;
  #filled = 0;
  #seen = 0;
  #deafUntil = 0;

  constructor(rate: number, found: (tick: HeardTick) => void) {
    this.#rate = rate;
    this.#window = new Float32Array(Math.round((rate * WINDOW_MS) / 1_000));
    this.#hop = Math.round((rate * HOP_MS) / 1_000);
    this.#deaf = Math.round((rate * DEAF_MS) / 1_000);
    this.#found = found;
  }

  /** Samples in order. */
  push(samples: Float32Array): void {
    for (const sample of samples) {
      this.#window[this.#filled] = sample;
      this.#filled += 1;
      this.#seen += 1;
      if (this.#filled === this.#window.length) {
        this.#look();
        this.#window.copyWithin(0, this.#hop);
        this.#filled -= this.#hop;
      }
    }
  }

  #look(): void {
    if (this.#seen < this.#deafUntil) return;
    let power = 0;
    for (const sample of this.#window) power += sample * sample;
    power /= this.#window.length;
    if (power < LEAST_POWER) return;
    let best = 0;
    let loudest = 0;
    for (const [index, pitch] of PITCHES.entries()) {
      const strength = powerAt(this.#window, pitch, this.#rate);
      if (strength > loudest) {
        loudest = strength;
        best = index;
      }
    }
    if (loudest / power < TONE_SHARE) return;
    this.#deafUntil = this.#seen + this.#deaf;
    // The tone fills the part of the window that its power, compared to a full one's, says.
    const share = Math.min(1, power / ((LOUD * LOUD) / 2));
    this.#found({ pitch: best, sample: this.#seen - Math.round(share * this.#window.length) });
  }
}

/** Power of one pitch in a window (Goertzel 1958), on the scale of the mean square. */
function powerAt(window: Float32Array, pitch: number, rate: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * pitch) / rate);
  let before = 0;
  let last = 0;
  for (const sample of window) {
    const next = sample + coefficient * last - before;
    before = last;
    last = next;
  }
  const magnitude = before * before + last * last - coefficient * before * last;
  return (2 * magnitude) / (window.length * window.length);
}

/** Longest way of a tick that is told from a later one's, ms. */
export const LONGEST_WAY_MS = PITCHES.length * TICK_EVERY_MS;

/**
 * The number of a tick of which only the pitch was heard: the latest with it that was played before.
 * @param played tick -> when it was played
 */
export function tickOf(pitch: number, heardMs: number, played: ReadonlyMap<number, number>): number | undefined {
  let latest: number | undefined;
  for (const [tick, playedMs] of played) {
    if (tick % PITCHES.length !== pitch || playedMs > heardMs || heardMs - playedMs >= LONGEST_WAY_MS) continue;
    if (latest === undefined || tick > latest) latest = tick;
  }
  return latest;
}
