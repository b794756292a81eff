import { describe, expect, it } from 'vitest';
import {
  type HeardTick,
  LONGEST_WAY_MS,
  TICK_EVERY_MS,
  TickDetector,
  TickSource,
  tickOf,
} from '../../src/experiment/measure/ticks.ts';

const RATE = 48_000;

/** What the source plays in so many seconds. */
function play(seconds: number): { samples: Float32Array; begun: { tick: number; sample: number }[] } {
  const source = new TickSource(RATE);
  const samples = new Float32Array(RATE * seconds);
  const begun: { tick: number; sample: number }[] = [];
  for (let from = 0; from < samples.length; from += 128) {
    const tick = source.fill(samples.subarray(from, from + 128), from);
    if (tick !== undefined) begun.push(tick);
  }
  return { samples, begun };
}

function hear(samples: Float32Array, block = 128): HeardTick[] {
  const heard: HeardTick[] = [];
  const detector = new TickDetector(RATE, (tick) => heard.push(tick));
  for (let from = 0; from < samples.length; from += block) detector.push(samples.subarray(from, from + block));
  return heard;
}

const msApart = (a: number, b: number) => (Math.abs(a - b) * 1_000) / RATE;

describe('the ticks in the sound', () => {
  it('are each found once, within 2 ms of where they begin, and told apart by their pitch', () => {
    const { samples, begun } = play(5);
    const heard = hear(samples);
    expect(heard.map(({ pitch }) => pitch)).toEqual(begun.map(({ tick }) => tick % 8));
    for (const [index, { sample }] of heard.entries())
      expect(msApart(sample, begun[index]?.sample ?? 0)).toBeLessThan(2);
  });

  it('are found in quieter sound with noise over it, as late as they are', () => {
    const { samples, begun } = play(3);
    const lateBy = Math.round(0.137 * RATE);
    const late = new Float32Array(samples.length + lateBy);
    let noise = 7;
    for (let index = 0; index < late.length; index += 1) {
      noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0;
      late[index] = (samples[index - lateBy] ?? 0) * 0.5 + (noise / 2 ** 31 - 1) * 0.02;
    }
    const heard = hear(late, 441);
    expect(heard).toHaveLength(begun.length);
    for (const [index, { sample }] of heard.entries()) {
      expect(msApart(sample - lateBy, begun[index]?.sample ?? 0)).toBeLessThan(4);
    }
  });

  it('are not found in silence, noise or a voice-like mixture', () => {
    let state = 3;
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 31 - 1;
    };
    expect(hear(new Float32Array(RATE))).toEqual([]);
    expect(hear(Float32Array.from({ length: RATE }, () => random() * 0.5))).toEqual([]);
    const voice = (_: unknown, index: number) =>
      [120, 240, 360, 720, 1_250].reduce((sum, hz) => sum + Math.sin((2 * Math.PI * hz * index) / RATE) * 0.1, 0);
    expect(hear(Float32Array.from({ length: RATE }, voice))).toEqual([]);
  });
});

describe('the number of a heard tick', () => {
  const played = new Map(Array.from({ length: 40 }, (_, tick) => [tick, tick * TICK_EVERY_MS]));

  it('is that of the latest one of its pitch that was played before', () => {
    expect(tickOf(3, 3 * TICK_EVERY_MS + 250, played)).toBe(3);
    expect(tickOf(3, 11 * TICK_EVERY_MS + 10, played)).toBe(11);
    expect(tickOf(3, 11 * TICK_EVERY_MS - 10, played)).toBe(3);
  });

  it('is unknown when none of its pitch was played within the longest way', () => {
    expect(tickOf(3, 3 * TICK_EVERY_MS - 1, played)).toBeUndefined();
    expect(tickOf(7, 39 * TICK_EVERY_MS + LONGEST_WAY_MS + 1, played)).toBeUndefined();
  });
});
