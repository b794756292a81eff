import { MeridianError } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { Chores } from '../../src/chores.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

function make() {
  const clock = new FakeClock();
  return { clock, chores: new Chores({ clock, log: pino({ level: 'silent' }), random: () => 0.5 }) };
}

describe('chores', () => {
  test('are tried until Redis takes them', async () => {
    const { clock, chores } = make();
    let attempts = 0;
    void chores.run('leave', async () => {
      attempts += 1;
      if (attempts < 20) throw new MeridianError('cluster-unavailable');
    });
    expect(chores.has('leave')).toBe(true);
    await clock.pass(600_000);
    expect(attempts).toBe(20);
    expect(chores.size).toBe(0);
  });

  test('that fail for another reason are given up after some attempts', async () => {
    const { clock, chores } = make();
    let attempts = 0;
    const done = chores.run('odd', async () => {
      attempts += 1;
      throw new Error('a defect');
    });
    await clock.pass(600_000);
    await done;
    expect(attempts).toBe(6);
  });

  test('a newer one of the same key takes the place of an older, and never runs beside it', async () => {
    const { clock, chores } = make();
    const written: string[] = [];
    const gate = Promise.withResolvers<void>();
    void chores.run('paused', async () => {
      await gate.promise;
      written.push('first');
    });
    await settle();
    void chores.run('paused', async () => {
      written.push('second');
    });
    void chores.run('paused', async () => {
      written.push('third');
    });
    await settle();
    expect(written).toEqual([]);
    gate.resolve();
    await clock.pass(1_000);
    expect(written).toEqual(['first', 'third']);
    expect(chores.size).toBe(0);
  });

  test('settled says whether a key is done in time', async () => {
    const { clock, chores } = make();
    const gate = Promise.withResolvers<void>();
    void chores.run('leave', () => gate.promise);
    const late = chores.settled('leave', 1_000);
    await clock.pass(1_000);
    expect(await late).toBe(false);
    const inTime = chores.settled('leave', 1_000);
    gate.resolve();
    await clock.pass(10);
    expect(await inTime).toBe(true);
    expect(await chores.settled('unknown', 0)).toBe(true);
  });

  test('closing waits for what is open, but not for ever, and says what was given up', async () => {
    const { clock, chores } = make();
    void chores.run('never', () => Promise.reject(new MeridianError('cluster-unavailable')));
    void chores.run('soon', async () => {});
    const closed = chores.close(5_000);
    await clock.pass(10_000);
    expect(await closed).toBe(1);
    expect(chores.size).toBe(0);
  });
});
