import { ERRORS, isMeridianError } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { keyLifetimesOf, loadConfig, turnCredentialsOf } from '../../src/config.ts';

const problemsOf = (env: Record<string, string>): string => {
  try {
    loadConfig({ MERIDIAN_REDIS_URL: 'redis://localhost', ...env });
    return '';
  } catch (error) {
    if (!isMeridianError(error, 'config-invalid')) throw error;
    return error.message;
  }
};
const load = (env: Record<string, string> = {}) => loadConfig({ MERIDIAN_REDIS_URL: 'redis://localhost', ...env });

describe('configuration', () => {
  test('has careful defaults', () => {
    expect(load()).toMatchObject({
      httpHost: '127.0.0.1',
      trustProxy: [],
      corsOrigins: [],
      allowForcedRegion: false,
      metricsToken: undefined,
      webDir: undefined,
      roomTokenTtlS: 60,
    });
  });

  test('says what is missing and refuses what is unknown', () => {
    expect(() => loadConfig({})).toThrow(/MERIDIAN_REDIS_URL is not set/);
    expect(problemsOf({ MERIDIAN_TRUSTPROXY: 'loopback' })).toContain('MERIDIAN_TRUSTPROXY is no setting');
    expect(ERRORS['config-invalid'].retryable).toBe(false);
  });

  test('takes proxies as addresses, ranges and known words, never as a number of hops', () => {
    expect(load({ MERIDIAN_TRUST_PROXY: 'loopback, 10.0.0.0/8,2001:db8::/32,192.0.2.7' }).trustProxy).toEqual([
      'loopback',
      '10.0.0.0/8',
      '2001:db8::/32',
      '192.0.2.7',
    ]);
    expect(problemsOf({ MERIDIAN_TRUST_PROXY: '1' })).toContain('MERIDIAN_TRUST_PROXY');
    expect(problemsOf({ MERIDIAN_TRUST_PROXY: 'true' })).toContain('MERIDIAN_TRUST_PROXY');
  });

  test('takes an origin as the public URL', () => {
    expect(load({ MERIDIAN_PUBLIC_URL: 'https://meet.example.org/' }).publicUrl).toBe('https://meet.example.org');
    expect(problemsOf({ MERIDIAN_PUBLIC_URL: 'https://meet.example.org/path' })).toContain('MERIDIAN_PUBLIC_URL');
    expect(problemsOf({ MERIDIAN_PUBLIC_URL: 'meet.example.org' })).toContain('MERIDIAN_PUBLIC_URL');
  });

  test('wants TURN credentials of exactly one kind', () => {
    const urls = { MERIDIAN_TURN_URLS: 'turn:turn.example.org:3478,turns:turn.example.org:5349' };

    expect(problemsOf(urls)).toContain('MERIDIAN_TURN_SECRET');
    expect(problemsOf({ ...urls, MERIDIAN_TURN_USERNAME: 'meridian' })).toContain('go together');
    expect(
      problemsOf({
        ...urls,
        MERIDIAN_TURN_SECRET: 's',
        MERIDIAN_TURN_USERNAME: 'meridian',
        MERIDIAN_TURN_PASSWORD: 'p',
      }),
    ).toContain('exclude each other');
    expect(problemsOf({ MERIDIAN_TURN_URLS: 'https://turn.example.org' })).toContain('MERIDIAN_TURN_URLS');
    expect(turnCredentialsOf(load({ ...urls, MERIDIAN_TURN_SECRET: 's' }))).toEqual({
      kind: 'time-limited',
      secret: 's',
      ttlS: 43_200,
    });
  });

  test('never repeats a secret in what it says', () => {
    const said = problemsOf({ MERIDIAN_STORE: 'postgres://user:hunter2@db', MERIDIAN_TURN_PASSWORD: 'hunter3' });

    expect(said).toContain('MERIDIAN_STORE');
    expect(said).not.toMatch(/hunter/);
  });

  test('keeps keys as long as the longest-lived token: an invitation of 90 days', () => {
    const { allTokensMs, nodeTokensMs } = keyLifetimesOf(load());

    expect(allTokensMs).toBeGreaterThan(90 * 86_400_000);
    expect(nodeTokensMs).toBeGreaterThan(43_200_000);
    expect(keyLifetimesOf(load({ MERIDIAN_ACCOUNT_TOKEN_TTL_S: '31536000' })).allTokensMs).toBeGreaterThan(
      365 * 86_400_000,
    );
  });
});
