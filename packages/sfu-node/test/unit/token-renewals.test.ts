import { MeridianError, type RenewSessionReply } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { serviceUrlOf, TokenRenewals } from '../../src/sessions/token-renewals.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const LIFE_MS = 100_000;

type Answer = 'renewed' | 'unreachable' | 'no-json' | MeridianError;

/** A session service that answers as the test says, and a node with sessions whose tokens live 100 s. */
function world(options: { parallel?: number; random?: () => number } = {}) {
  const clock = new FakeClock();
  const asked: { url: string; token: string; atMs: number }[] = [];
  const outcomes: string[] = [];
  const state = { answer: 'renewed' as Answer, gate: undefined as Promise<void> | undefined, underWay: 0, most: 0 };
  const startMs = clock.wallNow();
  const service: typeof fetch = async (input, init) => {
    const token = new Headers(init?.headers).get('authorization')?.replace('Bearer ', '') ?? '';
    asked.push({ url: String(input), token, atMs: clock.wallNow() - startMs });
    state.underWay += 1;
    state.most = Math.max(state.most, state.underWay);
    await state.gate;
    state.underWay -= 1;
    if (state.answer === 'unreachable') throw new TypeError('fetch failed');
    if (state.answer === 'no-json') return new Response('<html>', { status: 502 });
    if (state.answer instanceof MeridianError) {
      return Response.json({ error: state.answer.toBody() }, { status: state.answer.status });
    }
    return Response.json({ sessionToken: `${token}+`, expiresAtMs: clock.wallNow() + LIFE_MS });
  };
  const renewals = new TokenRenewals({
    serviceUrl: 'http://service.test',
    clock,
    random: options.random ?? (() => 0),
    onOutcome: (outcome) => outcomes.push(outcome),
    fetch: service,
    ...(options.parallel === undefined ? {} : { parallel: options.parallel }),
  });
  const open = (sessionToken = 'token') => {
    const stop = new AbortController();
    const renewed: RenewSessionReply[] = [];
    const revoked: string[] = [];
    const done = renewals.keepFresh({
      sessionToken,
      issuedAtMs: clock.wallNow(),
      expiresAtMs: clock.wallNow() + LIFE_MS,
      signal: stop.signal,
      log: pino({ level: 'silent' }),
      onRenewed: (token) => renewed.push(token),
      onRevoked: () => revoked.push(sessionToken),
    });
    return { stop, renewed, revoked, done };
  };
  return { clock, asked, outcomes, state, open };
}

describe('a token', () => {
  test('is renewed when half of its life is over, the new one again, each by the newest', async () => {
    const { clock, asked, open } = world();
    const { renewed, stop } = open();
    await clock.pass(49_999);
    expect(asked).toEqual([]);
    await clock.pass(1);
    expect(asked).toMatchObject([{ url: 'http://service.test/v1/sessions/renew', token: 'token' }]);
    await clock.pass(50_000);
    expect(asked.map((one) => one.token)).toEqual(['token', 'token+']);
    expect(renewed.map((one) => one.sessionToken)).toEqual(['token+', 'token++']);
    stop.abort();
  });

  test('is waited for by whole seconds: a timer of a length of its own would outlive its session in Node', async () => {
    const { clock, asked, open } = world({ random: () => 0.123 });
    const { stop } = open();
    await clock.pass(60_000);
    // 51.23 s: half of the life, and a share of the spread.
    expect(asked.map(({ atMs }) => atMs)).toEqual([52_000]);
    stop.abort();
  });

  test('is not renewed at the same moment as all others', async () => {
    let turn = 0;
    const { clock, asked, open } = world({ random: () => (turn++ % 10) / 10 });
    const sessions = Array.from({ length: 10 }, (_, index) => open(`token-${index}`));
    await clock.pass(60_000);
    expect(new Set(asked.slice(0, 10).map((one) => one.atMs)).size).toBe(10);
    for (const { stop } of sessions) stop.abort();
  });

  test('is asked for again and again, less and less often, while the service is away', async () => {
    const { clock, asked, outcomes, state, open } = world();
    const { renewed, stop } = open();
    state.answer = 'unreachable';
    await clock.pass(70_000);
    state.answer = 'no-json';
    await clock.pass(10_000);
    const tries = asked.length;
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(15);
    expect(renewed).toEqual([]);
    state.answer = 'renewed';
    await clock.pass(20_000);
    expect(renewed).toHaveLength(1);
    expect(outcomes.filter((one) => one === 'failed')).toHaveLength(outcomes.indexOf('renewed'));
    stop.abort();
  });

  test('whose lease is not written yet, or that comes too often, is asked for later', async () => {
    for (const answer of [
      new MeridianError('session-not-attached'),
      new MeridianError('rate-limited', { retryAfterMs: 20_000 }),
      new MeridianError('cluster-unavailable'),
    ]) {
      const { clock, asked, state, open } = world();
      const { renewed, stop } = open();
      state.answer = answer;
      await clock.pass(50_000);
      expect(asked).toHaveLength(1);
      state.answer = 'renewed';
      await clock.pass((answer.retryAfterMs ?? 3_000) - 1_000 - (answer.retryAfterMs === undefined ? 1_500 : 0));
      expect(renewed).toHaveLength(0);
      await clock.pass(3_000);
      expect(renewed).toHaveLength(1);
      stop.abort();
    }
  });

  test('that nobody could renew in time is given up', async () => {
    const { clock, asked, state, open } = world();
    const { done, revoked } = open();
    state.answer = 'unreachable';
    await clock.pass(LIFE_MS + 60_000);
    await done;
    const tries = asked.length;
    await clock.pass(LIFE_MS);
    expect(asked).toHaveLength(tries);
    expect(revoked).toEqual([]);
  });

  test('that was revoked ends its session; one that is refused otherwise is left to run out', async () => {
    for (const [code, ended] of [
      ['token-revoked', ['token']],
      ['token-key-unknown', []],
      ['token-session', []],
    ] as const) {
      const { clock, asked, state, open } = world();
      const { done, revoked } = open();
      state.answer = new MeridianError(code);
      await clock.pass(60_000);
      await done;
      expect(revoked).toEqual(ended);
      expect(asked).toHaveLength(1);
    }
  });

  test('of a session that is over is not asked for', async () => {
    const { clock, asked, open } = world();
    const { stop, done } = open();
    stop.abort();
    await done;
    await clock.pass(LIFE_MS);
    expect(asked).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('no more than a few are asked for at once', async () => {
    const { clock, asked, state, open } = world({ parallel: 3 });
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    const sessions = Array.from({ length: 20 }, (_, index) => open(`token-${index}`));
    await clock.pass(50_000);
    expect(asked).toHaveLength(3);
    gate.resolve();
    await settle();
    await clock.pass(1_000);
    expect(asked).toHaveLength(20);
    expect(state.most).toBe(3);
    for (const { renewed, stop } of sessions) {
      expect(renewed).toHaveLength(1);
      stop.abort();
    }
  });
});

test('the service is where its keys are', () => {
  expect(serviceUrlOf('https://meet.example.org/.well-known/jwks.json')).toBe('https://meet.example.org');
  expect(serviceUrlOf('https://example.org/meet/.well-known/jwks.json')).toBe('https://example.org/meet');
  expect(serviceUrlOf('https://example.org:8443/keys')).toBe('https://example.org:8443');
});
