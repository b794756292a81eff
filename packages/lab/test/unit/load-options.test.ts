import { describe, expect, test } from 'vitest';
import { parseLoadOptions } from '../../src/load/options.ts';
import { freeSeat, type Layout, seatOf, streamsDue } from '../../src/load/seats.ts';

const parse = (...args: string[]) =>
  parseLoadOptions(args, { cores: 2, now: new Date('2030-01-02T03:04:05Z'), metricsToken: 'secret' });

describe('options of pnpm lab load', () => {
  test('without any, a small cluster on this machine is loaded', () => {
    expect(parse()).toMatchObject({
      where: { kind: 'local', nodes: 3, workers: 1 },
      participants: 12,
      layout: { rooms: undefined, perRoom: 4, together: false },
      media: { audio: { kbps: 40 }, video: { kbps: 500, fps: 25 } },
      generators: 2,
      out: '.data/load/2030-01-02T03-04-05.000Z.jsonl',
      limits: { loss: 0.005, joinP95Ms: 2_000, cpu: 0.85, latencyP99Ms: 100 },
      search: undefined,
    });
  });

  test('a search goes in steps of one room', () => {
    expect(parse('--find-knee', '--per-room', '6')?.search).toEqual({ from: 6, to: 1_000, step: 6 });
  });

  test('a cluster elsewhere is told by its address, and its metrics by theirs', () => {
    expect(
      parse('--url', 'https://meet.example.org/', '--metrics', 'http://10.0.0.1:8081, http://10.0.0.2:8081/')?.where,
    ).toEqual({
      kind: 'remote',
      url: 'https://meet.example.org',
      regions: [],
      metrics: ['http://10.0.0.1:8081', 'http://10.0.0.2:8081'],
      prometheus: undefined,
      metricsToken: 'secret',
    });
  });

  test('--help asks for nothing else', () => {
    expect(parse('--help', '--participants', 'many')).toBeUndefined();
  });

  test.each([
    [['--participants', '0'], '--participants must be a whole number from 1 to 10000, not "0"'],
    [['--participants', '1.5'], '--participants must be a whole number'],
    [['--ramp', ''], '--ramp must be a number from 0.1'],
    [['--max-loss', '1'], '--max-loss goes with --find-knee only'],
    [['--find-knee', '--participants', '9'], '--participants goes with a fixed load'],
    [['--find-knee', '--from', '9', '--to', '8'], '--to must not be below --from'],
    [['--rooms', '3', '--per-room', '3'], '--rooms and --per-room exclude each other'],
    [['--rooms', '13'], '--rooms must not be above --participants'],
    [['--metrics', 'http://a'], '--metrics goes with --url only'],
    [['--url', 'http://a', '--nodes', '2'], '--nodes goes with a cluster on this machine'],
    [['--url', 'meet.example.org'], '--url must be an http:// or https:// address'],
    [['--publish', 'smell'], '--publish must be audio, video, or audio,video, not "smell"'],
    [['--publish', 'audio', '--video-file', 'a.ivf'], '--video-file: video is not published'],
    [['--packet-bytes', '9000'], '--packet-bytes must be a whole number from 100 to 1400'],
  ])('%j is refused with a sentence that says why', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  test('an unknown option is refused', () => {
    expect(() => parse('--particpants', '3')).toThrow(TypeError);
  });
});

describe('who sits where', () => {
  const layout: Layout = { rooms: undefined, perRoom: 3, publishers: 2, regions: ['eu', 'as'], together: false };
  const seats = (count: number, changes: Partial<Layout> = {}) =>
    Array.from({ length: count }, (_, index) => seatOf(index, { ...layout, ...changes }));

  test('one room is filled after the other, and each is spread over the regions', () => {
    expect(seats(4).map(({ room }) => room)).toEqual([0, 0, 0, 1]);
    expect(seats(4).map(({ region }) => region)).toEqual(['eu', 'as', 'eu', 'as']);
    expect(seats(4).map(({ publishes }) => publishes)).toEqual([true, true, false, true]);
  });

  test('a number of rooms is dealt out to', () => {
    expect(seats(5, { rooms: 2 }).map(({ room }) => room)).toEqual([0, 1, 0, 1, 0]);
  });

  test('together, a room has one region', () => {
    expect(seats(4, { together: true }).map(({ region }) => region)).toEqual(['eu', 'eu', 'eu', 'as']);
    expect(seats(1, { regions: [] })[0]?.region).toBeUndefined();
  });

  test('everybody is due what the others of the room publish, as far as it is wanted', () => {
    // Two publish to each other and to the third; the fourth is alone.
    expect(streamsDue([0, 1, 2, 3], layout, 2)).toBe(2 + 2 + 4);
    expect(streamsDue([0, 1, 2, 3], layout, 2, 3)).toBe(2 + 2 + 3);
    expect(streamsDue([], layout, 2)).toBe(0);
  });

  test('who comes takes the place of who has gone', () => {
    expect(freeSeat([0, 1, 3])).toBe(2);
    expect(freeSeat([])).toBe(0);
  });
});
