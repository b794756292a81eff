import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planKeys } from '../../src/tokens/key-plan.ts';

const lifetimes = { nodeTokensMs: 100, allTokensMs: 1_000 };
const key = (kid: string, signsFromMs: number) => ({ kid, createdAtMs: 0, signsFromMs });
const kids = (keys: readonly { kid: string }[]) => keys.map(({ kid }) => kid);

describe('the life of a signing key', () => {
  const keys = [key('old', 0), key('new', 500)];

  test('is published before it signs', () => {
    const plan = planKeys(keys, 499, lifetimes);

    expect(plan.signing?.kid).toBe('old');
    expect(kids(plan.published)).toEqual(['old', 'new']);
  });

  test('signs from its time on, while the old one stays published as long as nodes may see its tokens', () => {
    expect(planKeys(keys, 500, lifetimes).signing?.kid).toBe('new');
    expect(kids(planKeys(keys, 599, lifetimes).published)).toEqual(['old', 'new']);
    expect(kids(planKeys(keys, 600, lifetimes).published)).toEqual(['new']);
  });

  test('ends when nothing it signed can be valid any more', () => {
    expect(kids(planKeys(keys, 1_499, lifetimes).verifying)).toEqual(['old', 'new']);
    expect(planKeys(keys, 1_499, lifetimes).retired).toEqual([]);
    expect(kids(planKeys(keys, 1_500, lifetimes).verifying)).toEqual(['new']);
    expect(kids(planKeys(keys, 1_500, lifetimes).retired)).toEqual(['old']);
  });

  test('starts at once when it is the only one, even if the clock went back', () => {
    expect(planKeys([key('only', 500)], 10, lifetimes).signing?.kid).toBe('only');
    expect(planKeys([], 10, lifetimes).signing).toBeUndefined();
  });

  test('at every moment the signing key is published, and what is published is accepted', () => {
    const anyKeys = fc
      .uniqueArray(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 6 })
      .map((times) => times.map((signsFromMs, i) => key(`k${i}`, signsFromMs)));
    fc.assert(
      fc.property(anyKeys, fc.integer({ min: 0, max: 10_000 }), (some, nowMs) => {
        const { signing, published, verifying, retired } = planKeys(some, nowMs, lifetimes);
        expect(kids(published)).toContain(signing?.kid);
        expect(kids(verifying)).toEqual(expect.arrayContaining(kids(published)));
        expect([...kids(verifying), ...kids(retired)].toSorted()).toEqual(kids(some).toSorted());
      }),
    );
  });

  test('a token is accepted for its whole life, whenever it was signed and however keys were rotated', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 0, max: 999 }), (starts, at, age) => {
        const some = starts.map((signsFromMs, i) => key(`k${i}`, signsFromMs));
        const signer = planKeys(some, at, lifetimes).signing?.kid;
        expect(kids(planKeys(some, at + age, lifetimes).verifying)).toContain(signer);
        if (age < lifetimes.nodeTokensMs) expect(kids(planKeys(some, at + age, lifetimes).published)).toContain(signer);
      }),
    );
  });
});
