import { describe, expect, test } from 'vitest';
import { judge, type TimedSample } from '../../src/soak/judge.ts';

const MINUTES = 20;

/** A soak of twenty minutes with a look every two seconds; every figure has noise that repeats. */
function soakOf(figures: Readonly<Record<string, (minute: number) => number>>, minutes = MINUTES): TimedSample[] {
  return Array.from({ length: minutes * 30 }, (_, index) => {
    const noise = ((index * 7_919) % 13) / 13;
    const sample = new Map([['ams-1 pid', 1]]);
    for (const [name, value] of Object.entries(figures)) sample.set(name, value(index / 30) + noise);
    return { atMs: index * 2_000, sample };
  });
}

function verdictOf(name: string, value: (minute: number) => number, minutes = MINUTES): string | undefined {
  const rows = judge(soakOf({ [name]: value }, minutes), minutes * 60_000);
  return rows.find((row) => row.name === name)?.verdict;
}

describe('a soak', () => {
  test('finds a leak of a quarter of a MiB per minute in what a heap holds', () => {
    expect(verdictOf('ams-1 live heap MiB', () => 35)).toBe('flat');
    expect(verdictOf('ams-1 live heap MiB', (minute) => 35 + minute / 4)).toBe('grows');
  });

  test('finds a leak of two MiB per minute outside of the heap', () => {
    expect(verdictOf('ams-1 settled rss MiB', (minute) => 125 + 2 * minute)).toBe('grows');
    expect(verdictOf('ams-1 rss MiB', (minute) => 140 + 2 * minute)).toBe('grows');
    expect(verdictOf('ams-1 worker rss MiB', (minute) => 40 + 2 * minute)).toBe('grows');
  });

  test('calls flat what climbs to its size in the first minutes and stays there', () => {
    expect(verdictOf('ams-1 rss MiB', (minute) => 140 + 80 * Math.min(1, minute / 2))).toBe('flat');
  });

  test('finds a key that is left behind every half minute; marks that expire count once the first ones have expired', () => {
    const marks = (minute: number) => 20 + 15 * Math.min(10, minute);
    expect(verdictOf('redis keys', marks)).toBe('flat');
    expect(verdictOf('redis lasting-keys', () => 20)).toBe('flat');
    expect(verdictOf('redis lasting-keys', (minute) => 20 + 2 * minute)).toBe('grows');
    expect(verdictOf('redis keys', (minute) => marks(minute) + 15 * minute)).toBe('grows');
    // A short soak cannot tell.
    expect(verdictOf('redis keys', marks, 5)).toBe('too-short');
  });

  test('finds an object of the media that stays behind every half minute', () => {
    expect(verdictOf('ams-1 transports', () => 8)).toBe('flat');
    expect(verdictOf('ams-1 transports', (minute) => 8 + 2 * minute)).toBe('grows');
  });

  test('judges a process that was started anew by its last life, without its warm-up', () => {
    const restartedAt = 8;
    const verdict = (value: (minute: number) => number) => {
      const samples = soakOf({ 'ams-1 live heap MiB': value }).map(({ atMs, sample }) => ({
        atMs,
        sample: new Map([...sample, ['ams-1 pid', atMs < restartedAt * 60_000 ? 1 : 2]]),
      }));
      return judge(samples, MINUTES * 60_000)[0]?.verdict;
    };

    expect(verdict((minute) => (minute < restartedAt ? 30 : 60))).toBe('flat');
    expect(verdict((minute) => (minute < restartedAt ? 60 : 30 + 20 * Math.min(1, (minute - 8) / 2)))).toBe('flat');
    expect(verdict((minute) => (minute < restartedAt ? 60 : 30 + (minute - 8)))).toBe('grows');
  });
});
