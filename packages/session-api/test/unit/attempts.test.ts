import { isMeridianError } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttemptWindow } from '../../src/accounts/attempts.ts';

const aWindow = ({ limit = 3, windowMs = 1_000, maxKeys = 10 } = {}) => {
  const time = { nowMs: 50_000 };
  return { time, attempts: new AttemptWindow({ limit, windowMs, maxKeys, now: () => time.nowMs }) };
};

describe('attempts per account', () => {
  test('pass up to the limit and then say how long to wait', () => {
    const { time, attempts } = aWindow();
    attempts.attempt('ann');
    time.nowMs += 400;
    attempts.attempt('ann');
    attempts.attempt('ann');

    expect(() => attempts.attempt('ann')).toThrow(expect.objectContaining({ code: 'rate-limited', retryAfterMs: 600 }));
    attempts.attempt('bob');
    time.nowMs += 600;
    attempts.attempt('ann');
  });

  test('that were refused do not prolong the wait', () => {
    const { time, attempts } = aWindow({ limit: 1 });
    attempts.attempt('ann');
    for (let i = 0; i < 5; i += 1) {
      time.nowMs += 199;
      expect(() => attempts.attempt('ann')).toThrow();
    }
    time.nowMs += 5;

    expect(() => attempts.attempt('ann')).not.toThrow();
  });

  test('are forgotten after a success', () => {
    const { attempts } = aWindow({ limit: 2 });
    attempts.attempt('ann');
    attempts.attempt('ann');
    attempts.succeeded('ann');

    expect(() => attempts.attempt('ann')).not.toThrow();
  });

  test('take a bounded amount of memory: the account that was tried least recently is forgotten', () => {
    const { attempts } = aWindow({ limit: 1, maxKeys: 2 });
    attempts.attempt('a');
    attempts.attempt('b');
    attempts.attempt('c');

    expect(attempts.size).toBe(2);
    expect(() => attempts.attempt('c')).toThrow();
    expect(() => attempts.attempt('a')).not.toThrow();
  });

  test('never pass more often than the limit in any window, whenever they come', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 }), (pauses) => {
        const { time, attempts } = aWindow();
        const passed: number[] = [];
        for (const pause of pauses) {
          time.nowMs += pause;
          try {
            attempts.attempt('ann');
            passed.push(time.nowMs);
          } catch (error) {
            if (!isMeridianError(error, 'rate-limited')) throw error;
          }
        }
        for (const at of passed) expect(passed.filter((t) => t > at - 1_000 && t <= at).length).toBeLessThanOrEqual(3);
      }),
    );
  });
});
