import { describe, expect, it } from 'vitest';
import {
  ERRORS,
  ErrorBody,
  ErrorCode,
  isMeridianError,
  MeridianError,
  parseJson,
  parseOrThrow,
  RoomSlug,
} from '../../src/index.ts';

describe('the table of errors', () => {
  it('gives each code an HTTP error status, an application close code and a sentence', () => {
    for (const [code, entry] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(entry.status).toBeGreaterThanOrEqual(400);
      expect(entry.status).toBeLessThan(600);
      // RFC 6455 7.4.2: 4000 to 4999 are for private use.
      expect(entry.close).toBeGreaterThanOrEqual(4_000);
      expect(entry.close).toBeLessThan(5_000);
      expect(entry.message.endsWith('.')).toBe(true);
    }
  });

  it('fits every code into the reason of a close frame (RFC 6455: 123 bytes)', () => {
    for (const code of Object.keys(ERRORS)) expect(Buffer.byteLength(code)).toBeLessThanOrEqual(123);
  });
});

describe('MeridianError', () => {
  it('crosses the wire and comes back the same', () => {
    const error = new MeridianError('room-full', { retryAfterMs: 2_000, details: { capacity: 6 } });
    const back = MeridianError.fromBody(ErrorBody.parse(JSON.parse(JSON.stringify(error.toBody()))));
    expect(back.toBody()).toEqual(error.toBody());
    expect(back.status).toBe(409);
    expect(back.closeCode).toBe(4_410);
    expect(back.retryable).toBe(true);
  });

  it('says outside what it says inside when the caller can do something about it', () => {
    const error = new MeridianError('bad-request', { message: 'slug: too short', details: { issues: [] } });
    expect(error.toPublicBody()).toEqual(error.toBody());
  });

  it('says outside only the sentence of the table when it is our own failure, whichever it is', () => {
    for (const code of ErrorCode.options.filter((one) => ERRORS[one].status >= 500)) {
      const details = { problem: 'db-3.internal' };
      const error = new MeridianError(code, { message: 'db-3.internal', details, retryAfterMs: 5 });
      expect(error.toPublicBody()).toEqual({ code, message: ERRORS[code].message, retryAfterMs: 5 });
      expect(error.toBody()).toMatchObject({ message: 'db-3.internal', details });
    }
  });

  it('turns anything unknown into internal, keeps the cause and tells outsiders nothing of it', () => {
    const cause = new Error('password=hunter2');
    const error = MeridianError.from(cause);
    expect(isMeridianError(error, 'internal')).toBe(true);
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error.toBody())).not.toContain('hunter2');
  });
});

describe('parseOrThrow', () => {
  it('says which field is wrong without repeating its value', () => {
    expect(() => parseOrThrow(RoomSlug, 'Not A Slug!', 'bad-request', 'slug')).toThrow(/^slug: may hold lower-case/);
  });

  it('refuses what is not JSON', () => {
    expect(() => parseJson(RoomSlug, '{', 'bad-request', 'frame')).toThrow('frame: not JSON');
  });
});
