import { MeridianError, SessionId, UserId } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { subscriberOf } from '../../src/limits/address.ts';
import { Gate, type GateLimits } from '../../src/limits/gate.ts';
import { FakeClock } from '../support/fake-clock.ts';

const claims = (sid: string, sub = `user-of-${sid}`) => ({ sid: SessionId.parse(sid), sub: UserId.parse(sub) });

function aGate(limits: Partial<GateLimits> = {}) {
  const clock = new FakeClock();
  const here: { sid: string; sub: string }[] = [];
  const log: { msg: string }[] = [];
  const told: string[] = [];
  const gate = new Gate({
    limits: {
      connectionsPerAddress: 3,
      attemptsPerMinute: 0,
      unattachedPerAddress: 2,
      unattached: 4,
      attachTimeoutMs: 1_000,
      sessionsPerUser: 2,
      sessions: 3,
      pinAddress: false,
      ...limits,
    },
    clock,
    log: pino({}, { write: (line: string) => void log.push(JSON.parse(line)) }),
    metrics: { gateRefused: (code) => told.push(code), addressChanged: (outcome) => told.push(outcome) },
    sessions: {
      get size() {
        return here.length;
      },
      has: (sid) => here.some((one) => one.sid === sid),
      countOf: (sub) => here.filter((one) => one.sub === sub).length,
    },
    mostAddresses: 3,
  });
  const late: MeridianError[] = [];
  const enter = (address: string) => gate.enter(address, (error) => late.push(error));
  return { gate, clock, here, log, told, late, enter };
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'allowed';
  } catch (error) {
    return error instanceof MeridianError ? error.code : String(error);
  }
};

describe('one subscriber', () => {
  test('is an IPv4 address, however it is written', () => {
    expect(subscriberOf('192.0.2.7')).toBe('192.0.2.7');
    expect(subscriberOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  });
  test('is the first half of an IPv6 address', () => {
    for (const address of [
      '2001:db8:1:2:3:4:5:6',
      '2001:db8:1:2::9',
      '2001:0db8:0001:0002:ffff::',
      '2001:DB8:1:2::1%eth0',
    ]) {
      expect(subscriberOf(address)).toBe('2001:db8:1:2::/64');
    }
    expect(subscriberOf('::1')).toBe('0:0:0:0::/64');
    expect(subscriberOf('2001:db8::5')).toBe('2001:db8:0:0::/64');
  });
});

describe('connections', () => {
  test('of one address are bounded, those of others are not concerned', () => {
    const { enter } = aGate({ unattachedPerAddress: 9 });
    const visits = [enter('192.0.2.1'), enter('192.0.2.1'), enter('192.0.2.1')];
    expect(codeOf(() => enter('192.0.2.1'))).toBe('too-many-connections');
    expect(codeOf(() => enter('192.0.2.2'))).toBe('allowed');
    visits[0]?.left();
    visits[0]?.left();
    expect(codeOf(() => enter('192.0.2.1'))).toBe('allowed');
    expect(codeOf(() => enter('192.0.2.1'))).toBe('too-many-connections');
  });

  test('that have not attached are bounded more tightly, for the address and for the node', () => {
    const { gate, enter } = aGate();
    const first = enter('192.0.2.1');
    enter('192.0.2.1');
    expect(codeOf(() => enter('192.0.2.1'))).toBe('too-many-connections');
    first.attached();
    expect(codeOf(() => enter('192.0.2.1'))).toBe('allowed');
    enter('192.0.2.2');
    enter('192.0.2.3');
    expect(gate.unattached).toBe(4);
    expect(codeOf(() => enter('192.0.2.4'))).toBe('too-many-connections');
  });

  test('may be tried so often, whether they stay open or not', async () => {
    const { clock, enter } = aGate({ attemptsPerMinute: 6 });
    const outcomes = [];
    for (let i = 0; i < 8; i += 1) {
      outcomes.push(
        codeOf(() => {
          enter('192.0.2.1').left();
        }),
      );
    }
    expect(outcomes).toEqual([...Array(6).fill('allowed'), 'rate-limited', 'rate-limited']);
    expect(codeOf(() => enter('192.0.2.2'))).toBe('allowed');
    await clock.pass(10_000);
    expect(codeOf(() => enter('192.0.2.1'))).toBe('allowed');
  });

  test('have so much time to attach', async () => {
    const { gate, clock, late, enter } = aGate();
    const slow = enter('192.0.2.1');
    enter('192.0.2.1').attached();
    await clock.pass(999);
    expect(late).toEqual([]);
    await clock.pass(1);
    expect(late.map(({ code }) => code)).toEqual(['deadline-exceeded']);
    slow.left();
    expect(gate.unattached).toBe(0);
  });

  test('leave nothing behind', () => {
    const { gate, enter } = aGate();
    const visits = [enter('192.0.2.1'), enter('2001:db8::1')];
    visits[0]?.attached();
    for (const visit of visits) visit.left();
    expect([gate.addresses, gate.unattached]).toEqual([0, 0]);
  });
});

describe('sessions', () => {
  test('are taken up to the hard limit; one that is here already may always come back', () => {
    const { here, enter, told } = aGate();
    here.push({ sid: 'a', sub: 'ua' }, { sid: 'b', sub: 'ub' }, { sid: 'c', sub: 'uc' });
    const visit = enter('192.0.2.1');
    expect(codeOf(() => visit.verified(claims('d')))).toBe('node-full');
    expect(codeOf(() => visit.verified(claims('a', 'ua')))).toBe('allowed');
    expect(told).toEqual(['node-full']);
  });

  test('of one user are bounded', () => {
    const { here, enter } = aGate({ sessions: 99 });
    here.push({ sid: 'a', sub: 'ann' }, { sid: 'b', sub: 'ann' });
    const visit = enter('192.0.2.1');
    expect(codeOf(() => visit.verified(claims('c', 'ann')))).toBe('too-many-sessions');
    expect(codeOf(() => visit.verified(claims('c', 'bob')))).toBe('allowed');
  });
});

describe('a session token that is used from another address', () => {
  test('is noticed in log and metrics, without the token, and let in', () => {
    const { enter, log, told } = aGate();
    enter('192.0.2.1').verified(claims('s1'));
    enter('192.0.2.1').verified(claims('s1'));
    expect(log).toEqual([]);
    enter('198.51.100.9').verified(claims('s1'));
    expect(told).toEqual(['noticed']);
    expect(log).toMatchObject([{ level: 40, sessionId: 's1', address: '198.51.100.9', before: '192.0.2.1' }]);
  });

  test('is refused where addresses are pinned, and the first one stays good', () => {
    const { enter, told } = aGate({ pinAddress: true });
    enter('192.0.2.1').verified(claims('s1'));
    expect(codeOf(() => enter('198.51.100.9').verified(claims('s1')))).toBe('token-address');
    expect(codeOf(() => enter('192.0.2.1').verified(claims('s1')))).toBe('allowed');
    expect(told).toEqual(['refused', 'token-address']);
  });

  test('within one IPv6 site is none', () => {
    const { enter, told } = aGate();
    enter('2001:db8:1:2::a').verified(claims('s1'));
    enter('2001:db8:1:2::b').verified(claims('s1'));
    expect(told).toEqual([]);
  });

  test('is remembered for a bounded number of sessions', () => {
    const { enter, told } = aGate({ connectionsPerAddress: 0, unattachedPerAddress: 99, unattached: 99 });
    for (const sid of ['s1', 's2', 's3', 's4']) enter('192.0.2.1').verified(claims(sid));
    enter('198.51.100.9').verified(claims('s1'));
    expect(told).toEqual([]);
    enter('198.51.100.9').verified(claims('s4'));
    expect(told).toEqual(['noticed']);
  });
});
