import { describe, expect, it } from 'vitest';
import { bytes, count, duration, milliseconds, orNone, percent } from '../../src/render/format.ts';
import { harmless, table } from '../../src/render/table.ts';

describe('figures for people', () => {
  it.each([
    [-5, '0 s'],
    [999, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min 0 s'],
    [3_599_000, '59 min 59 s'],
    [7_500_000, '2 h 5 min'],
    [90_000_000, '1 d 1 h'],
  ])('%d ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [3_400_000_000, '3.4 GB'],
    [5e18, '5000.0 PB'],
  ])('%d bytes are %s', (number, text) => {
    expect(bytes(number)).toBe(text);
  });

  it('has percents, milliseconds, counts, and a dash for what is not known', () => {
    expect(percent(0.256)).toBe('26 %');
    expect(percent(0.00125, 2)).toBe('0.13 %');
    expect(milliseconds(181.25)).toBe('181.3 ms');
    expect(count(1, 'node')).toBe('1 node');
    expect(count(0, 'node')).toBe('0 nodes');
    expect(orNone(null, milliseconds)).toBe('-');
    expect(orNone(0, milliseconds)).toBe('0.0 ms');
  });
});

describe('a table', () => {
  const columns = [
    { head: 'name', cell: (row: { name: string; n: number }) => row.name },
    { head: 'n', cell: (row: { name: string; n: number }) => row.n, align: 'right' as const },
  ];

  it('is plain text in columns, numbers to the right, without colours', () => {
    const text = table(columns, [
      { name: 'one', n: 1 },
      { name: 'a longer one', n: 1_000 },
    ]);
    expect(text.split('\n')).toEqual(['NAME             N', 'one              1', 'a longer one  1000']);
  });

  it('keeps wide letters in their columns', () => {
    const [, wide, narrow] = table(columns, [
      { name: '週会', n: 1 },
      { name: 'abcd', n: 1 },
    ]).split('\n');
    expect(wide).toBe('週会  1');
    expect(narrow).toBe('abcd  1');
  });

  it('lets nobody steer the terminal', () => {
    const text = table(columns, [{ name: '\u001b[2Jwiped\nnext\u202Eline', n: 1 }]);
    expect(text).not.toContain('\u001b');
    expect(text.split('\n')).toHaveLength(2);
    expect(harmless('\u001b[31mred\u0007')).toBe('?[31mred?');
    expect(harmless('Tuần · 週会 ✨')).toBe('Tuần · 週会 ✨');
  });
});
