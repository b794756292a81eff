import { describe, expect, test } from 'vitest';
import { offeredProtocols, originAllowed, sessionTokenOf } from '../../src/auth/handshake.ts';

describe('the handshake', () => {
  test('reads the offered sub-protocols', () => {
    expect(offeredProtocols(undefined)).toEqual([]);
    expect(offeredProtocols('meridian.v1,  meridian.token.a.b.c , ')).toEqual(['meridian.v1', 'meridian.token.a.b.c']);
  });

  test('finds the token, and says what is missing', () => {
    expect(sessionTokenOf(['meridian.v1', 'meridian.token.a.b.c'])).toBe('a.b.c');
    const codeOf = (offered: string[]) => {
      try {
        return sessionTokenOf(offered);
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(codeOf(['meridian.token.a.b.c'])).toBe('unknown-message');
    expect(codeOf(['meridian.v2', 'meridian.token.a.b.c'])).toBe('unknown-message');
    expect(codeOf(['meridian.v1'])).toBe('unauthenticated');
    expect(codeOf(['meridian.v1', 'meridian.token.a', 'meridian.token.b'])).toBe('unauthenticated');
  });

  test.each([
    [['*'], 'https://anywhere.example', true],
    [[], undefined, true],
    [[], 'https://call.example', false],
    [['https://call.example'], 'https://call.example', true],
    [['https://call.example/'], 'HTTPS://CALL.example', true],
    [['https://call.example'], 'http://call.example', false],
    [['https://call.example'], 'https://call.example.evil.org', false],
    [['https://call.example'], 'null', false],
  ])('with %j allowed, a page of %s: %s', (allowed, origin, expected) => {
    expect(originAllowed(allowed, origin)).toBe(expected);
  });
});
