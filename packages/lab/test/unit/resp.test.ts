import { describe, expect, test } from 'vitest';
import { encodeCommand, readReply, replyEnd } from '../../src/redis/resp.ts';

describe("Redis's wire format", () => {
  test.each([
    ['a status', '+OK\r\n', 'OK'],
    ['a number', ':42\r\n', 42],
    ['a text with a line break in it', '$4\r\na\r\nb\r\n', 'a\r\nb'],
    ['nothing', '$-1\r\n', null],
    ['nothing in RESP3', '_\r\n', null],
    ['a list within a list', '*2\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n', ['a', [1, 2]]],
    ['a push', '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n', ['message', 'c', 'x']],
    ['a map', '%1\r\n$1\r\nk\r\n$1\r\nv\r\n', ['k', 'v']],
  ])('%s is read whole, and not before it is whole', (_, text, expected) => {
    const bytes = Buffer.from(text);
    expect(readReply(bytes, 0)).toEqual({ reply: expected, end: bytes.length });
    for (let length = 0; length < bytes.length; length += 1) {
      expect(length === 0 || replyEnd(bytes.subarray(0, length), 0)).toBe(length === 0 ? true : undefined);
    }
  });

  test('an error is told as one, and a command is written as a list of texts', () => {
    expect(readReply(Buffer.from('-ERR no\r\n'), 0).reply).toEqual(new Error('ERR no'));
    expect(encodeCommand(['SET', 'k', 1]).toString()).toBe('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n');
  });
});
