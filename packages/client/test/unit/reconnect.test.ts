import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RESUME_DELAYS_MS, resumeDelayMs } from '../../src/reconnect.ts';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the pauses between attempts to resume', () => {
  it('grow to the last of the schedule and stay there', () => {
    const pauses = Array.from({ length: 12 }, (_, attempt) => resumeDelayMs(attempt, 0));
    expect(pauses.slice(0, RESUME_DELAYS_MS.length)).toEqual([...RESUME_DELAYS_MS]);
    expect(new Set(pauses.slice(RESUME_DELAYS_MS.length - 1))).toEqual(new Set([RESUME_DELAYS_MS.at(-1)]));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  });

  it('are spread by chance from the first one on, so that all people of a proxy do not come back at once', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20 }), chance, chance, (attempt, one, other) => {
        const [early, late] = [Math.min(one, other), Math.max(one, other)];
        const spreadMs = resumeDelayMs(attempt, 0.999) - resumeDelayMs(attempt, 0);
        expect(spreadMs).toBeGreaterThan(100);
        expect(spreadMs).toBeLessThanOrEqual(300);
        expect(resumeDelayMs(attempt, early)).toBeLessThanOrEqual(resumeDelayMs(attempt, late));
      }),
    );
  });
});
