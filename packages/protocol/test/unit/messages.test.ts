import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BUS_NOTICES,
  BUS_REQUESTS,
  BusEnvelope,
  ChatText,
  ClientFrame,
  DisplayName,
  isNotificationName,
  isRequestMethod,
  NOTIFICATIONS,
  REQUESTS,
  RoomEvent,
  RoomSlug,
  RtpParameters,
  ServerFrame,
} from '../../src/index.ts';

const junk = fc.anything({ withNullPrototype: true, withBigInt: false });

describe('schemas at the boundary', () => {
  it('answer any value at all with success or issues, and never throw', () => {
    const schemas = [
      ClientFrame,
      ServerFrame,
      BusEnvelope,
      RoomEvent,
      ...Object.values(REQUESTS).flatMap((pair) => [pair.request, pair.reply]),
      ...Object.values(NOTIFICATIONS),
      ...Object.values(BUS_REQUESTS).flatMap((pair) => [pair.request, pair.reply]),
      ...Object.values(BUS_NOTICES),
    ];
    fc.assert(
      fc.property(junk, fc.constantFrom(...schemas), (value, schema) => {
        expect(typeof schema.safeParse(value).success).toBe('boolean');
      }),
      { numRuns: 2_000 },
    );
  });

  it('know a method only by its own name, not by what objects inherit', () => {
    expect(isRequestMethod('join')).toBe(true);
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '']) {
      expect(isRequestMethod(name)).toBe(false);
      expect(isNotificationName(name)).toBe(false);
    }
  });

  it('bound what a client can make the node hold', () => {
    const codec = { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 };
    expect(RtpParameters.safeParse({ codecs: [codec] }).success).toBe(true);
    expect(RtpParameters.safeParse({ codecs: Array.from({ length: 33 }, () => codec) }).success).toBe(false);
    expect(RtpParameters.safeParse({ codecs: [codec], encodings: Array.from({ length: 9 }, () => ({})) }).success).toBe(
      false,
    );
    expect(ChatText.safeParse('x'.repeat(4_001)).success).toBe(false);
  });
});

describe('names from people', () => {
  it('keep letters of any script and emoji, lose outer space', () => {
    expect(DisplayName.parse('  Nguyễn Văn A 🎧 ')).toBe('Nguyễn Văn A 🎧');
    expect(DisplayName.parse('👩\u200D💻 می\u200Cخواهم')).toBe('👩\u200D💻 می\u200Cخواهم');
  });

  it('refuse control, direction-override and line-separator characters, and the empty', () => {
    for (const name of ['', '   ', 'a\u0000b', 'a\u202Eb', 'a\nb', 'a\u2028b']) {
      expect(DisplayName.safeParse(name).success).toBe(false);
    }
  });

  it('take only URL-safe slugs', () => {
    expect(RoomSlug.safeParse('daily-stand-up').success).toBe(true);
    for (const slug of ['ab', '-abc', 'abc-', 'a/b/c', 'Äbc', 'a'.repeat(64)]) {
      expect(RoomSlug.safeParse(slug).success).toBe(false);
    }
  });

  it('refuse a blank chat line', () => {
    expect(ChatText.safeParse(' \n\t').success).toBe(false);
  });
});
