import { RoomSlug } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { Ids, type Randomness, systemRandomness } from '../../src/ids.ts';

describe('ids', () => {
  test('slugs can be read out and follow the injected randomness', () => {
    const first: Randomness = { token: () => 'x', below: () => 0, fraction: () => 0 };
    let draws = 0;
    const rising: Randomness = { ...first, below: (limit) => (draws++ * 7) % limit };

    expect(new Ids(first).slug()).toBe('baba-baba-baba-baba');
    expect(new Ids(rising).slug()).toMatch(/^(?:[b-z][aeiou][b-z][aeiou]-){3}[b-z][aeiou][b-z][aeiou]$/);
  });

  test('slugs are valid, and a thousand of them differ', () => {
    const ids = new Ids(systemRandomness);
    const slugs = new Set(Array.from({ length: 1_000 }, () => ids.slug()));

    expect(slugs.size).toBe(1_000);
    for (const slug of slugs) expect(RoomSlug.safeParse(slug).success).toBe(true);
  });

  test('every kind is valid however the random bytes fall', () => {
    const awkward = new Ids({ ...systemRandomness, token: () => '-_-_-_-_-_-_-_-_' });

    expect([awkward.account(), awkward.guest(), awkward.room(), awkward.session()]).toEqual([
      'u-_-_-_-_-_-_-_-_',
      'g-_-_-_-_-_-_-_-_',
      'r-_-_-_-_-_-_-_-_',
      's-_-_-_-_-_-_-_-_',
    ]);
  });

  test('the system spreads its choices evenly', () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i += 1) {
      const fraction = systemRandomness.fraction();
      expect(fraction).toBeGreaterThanOrEqual(0);
      expect(fraction).toBeLessThan(1);
      counts[Math.floor(fraction * 4)] = (counts[Math.floor(fraction * 4)] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });
});
