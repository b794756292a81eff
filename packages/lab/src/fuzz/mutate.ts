import type { Random } from './random.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const NASTY_TEXTS: readonly string[] = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '0',
  '-1',
  '1e999',
  '\u0000',
  '\u0007\u001b[31m',
  '\ud800',
  '\udfff\ud800',
  '\u202e\u2066abc',
  '\ufeff',
  '\u{1f600}'.repeat(40),
  '../../etc/passwd',
  '{r:room}',
  '}:x{',
  '*',
  '\r\n\r\nGET / HTTP/1.1',
  "' OR 1=1 --",

  '<script>alert(1)</script>',
  'a'.repeat(65),
  'a'.repeat(5_000),
];

const NASTY_NUMBERS: readonly number[] = [
  0,
  -0,
  -1,
  1,
  0.5,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER + 2,
  1e21,
  1e308,
  -1e308,
  5e-324,
];

const nested = (depth: number): Json => {
  let value: Json = [];
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** Something of the right kind nowhere. */
export function nastyValue(random: Random): Json {
  switch (random.below(9)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
    case 3:
      return random.pick(NASTY_NUMBERS);
    case 4:
    case 5:
      return random.pick(NASTY_TEXTS);
    case 6:
      return random.chance(0.1) ? nested(1_000) : nested(20);
    case 7:
      return Array.from({ length: random.pick([0, 1, 3, 600]) }, () => random.pick(NASTY_TEXTS));
    default:
      return withKey({}, random.pick(['__proto__', 'constructor', 'prototype', 'then', 'toJSON']), { polluted: true });
  }
}

/** A copy with one to three changes somewhere in it. */
export function mutate(value: Json, random: Random): Json {
  let changed = value;
  for (let left = 1 + random.below(3); left > 0; left -= 1) changed = change(changed, random, 0);
  return changed;
}

function change(value: Json, random: Random, depth: number): Json {
  const isInner = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isInner || (depth > 0 && random.chance(0.3))) return alter(value, random);
  if (Array.isArray(value)) {
    const at = random.below(value.length);
    switch (random.below(6)) {
      case 0:
        return value.toSpliced(at, 1);
      case 1:
        return [...value, ...Array.from({ length: random.pick([1, 2, 700]) }, () => value[at] ?? null)];
      default:
        return value.with(at, change(value[at] ?? null, random, depth + 1));
    }
  }
  const key = random.pick(Object.keys(value));
  switch (random.below(8)) {
    case 0: {
      const { [key]: _, ...rest } = value;
      return rest;
    }
    case 1:
      return withKey(value, random.pick(NASTY_TEXTS), nastyValue(random));
    case 2: {
      const { [key]: moved, ...rest } = value;
      return withKey(rest, `${key}x`, moved ?? null);
    }
    default:
      return withKey(value, key, change(value[key] ?? null, random, depth + 1));
  }
}

/** The neighbour of a value, or something else altogether. */
function alter(value: Json, random: Random): Json {
  if (random.chance(0.5)) return nastyValue(random);
  if (typeof value === 'number')
    return random.pick([value + 1, value - 1, -value, value * 1e9, value + 0.5, String(value)]);
  if (typeof value === 'string') {
    const at = random.below(value.length + 1);
    return random.pick([
      value.slice(0, at),
      value + value,
      value.slice(0, at) + random.pick(NASTY_TEXTS) + value.slice(at),
      value.toUpperCase(),
      [value],
    ]);
  }
  if (typeof value === 'boolean') return random.pick([!value, String(value), Number(value)]);
  return nastyValue(random);
}

/** Sets own keys only, `__proto__` too. */
function withKey(record: { [key: string]: Json }, key: string, value: Json): { [key: string]: Json } {
  const copy = { ...record };
  Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

/** Bytes that were a text once: cut off, flipped, doubled, with invalid UTF-8 and stray quotes in it. */
export function garble(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text);
  const at = random.below(bytes.length + 1);
  switch (random.below(7)) {
    case 0:
      return bytes.subarray(0, at);
    case 1: {
      const flipped = Buffer.from(bytes);
      for (let left = 1 + random.below(4); left > 0 && flipped.length > 0; left -= 1) {
        const where = random.below(flipped.length);
        flipped[where] = (flipped[where] ?? 0) ^ (1 << random.below(8));
      }
      return flipped;
    }
    case 2:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
        bytes.subarray(at),
      ]);
    case 3:
      return Buffer.concat([bytes, bytes]);
    case 4:
      return Buffer.from('['.repeat(random.pick([10, 1_000, 50_000])));
    case 5:
      return Buffer.from(`{"a":${'{"a":'.repeat(random.pick([10, 5_000]))}`);
    default:
      return Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)));
  }
}
