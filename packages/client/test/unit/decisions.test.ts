import { EndReason, ErrorCode, MeridianError } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientError, type PathFigures, POOR, parseRoomInput, parseRoomUrl, qualityOf } from '../../src/index.ts';
import { layerFor } from '../../src/media/layers.ts';
import { RECONNECT_DELAYS_MS, reconnectDelayMs } from '../../src/reconnect.ts';
import { verdictOfClose, verdictOfReason, worthAnotherTry } from '../../src/room/ending.ts';
import { Stopwatch } from '../../src/room/timings.ts';

describe('what follows an end', () => {
  it('is decided for every reason, and a reason of the node’s own sends us elsewhere', () => {
    const verdicts = Object.fromEntries(
      EndReason.options.map((reason) => [reason, verdictOfReason(reason, new MeridianError('internal'))]),
    );
    expect(verdicts).toMatchObject({
      'left': { next: 'end', kind: 'left' },
      'kicked': { next: 'end', kind: 'kicked' },
      'room-ended': { next: 'end', kind: 'room-ended' },
      'replaced': { next: 'end', kind: 'replaced' },
      'token-revoked': { next: 'end', kind: 'failed' },
      'node-shutdown': { next: 'rejoin', avoidNode: true },
      'node-lost': { next: 'rejoin', avoidNode: true },
      'connection-lost': { next: 'rejoin', avoidNode: false },
      'worker-died': { next: 'rejoin', avoidNode: false },
      'slow-reader': { next: 'rejoin', avoidNode: false },
    });
  });

  it('of a protocol error is another try only where the node says that it may help', () => {
    expect(verdictOfReason('protocol-error', new MeridianError('bad-request')).next).toBe('end');
    expect(verdictOfReason('protocol-error', new MeridianError('rate-limited')).next).toBe('rejoin');
  });

  it('does not blame the node for a silence, nor for a hang-up while we are offline', () => {
    const hangUp = new ClientError('connection-lost', { details: { closeCode: 1006 } });
    expect(verdictOfClose(hangUp, true)).toEqual({ next: 'rejoin', avoidNode: true });
    expect(verdictOfClose(hangUp, false)).toEqual({ next: 'rejoin', avoidNode: false });
    expect(verdictOfClose(new ClientError('connection-lost'), true)).toEqual({ next: 'rejoin', avoidNode: false });
  });

  it('is another try for whatever the error table calls retryable', () => {
    for (const code of ErrorCode.options) {
      const error = new MeridianError(code);
      if (error.retryable) expect(worthAnotherTry(error), code).toBe(true);
    }
    expect(worthAnotherTry(new MeridianError('token-expired'))).toBe(true);
    expect(worthAnotherTry(new MeridianError('room-private'))).toBe(false);
    expect(worthAnotherTry(new ClientError('browser-unsupported'))).toBe(false);
  });
});

describe('the pauses between attempts', () => {
  it('never fall below the schedule or what the server asks, and exceed it by a second at most', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 9 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat({ max: 60_000 }),
        (attempt, random, atLeastMs) => {
          const delayMs = reconnectDelayMs(attempt, random, atLeastMs) ?? Number.NaN;
          const least = Math.max(RECONNECT_DELAYS_MS[attempt] ?? Number.NaN, atLeastMs);
          expect(delayMs).toBeGreaterThanOrEqual(least);
          expect(delayMs).toBeLessThanOrEqual(least + 1_000);
        },
      ),
    );
  });

  it('end after ten', () => {
    expect(reconnectDelayMs(9, 0)).toBe(7_000);
    expect(reconnectDelayMs(10, 0)).toBeUndefined();
  });
});

describe('the quality of a path', () => {
  const path = (change: Partial<PathFigures>): PathFigures => ({
    rttMs: 40,
    lossFraction: 0,
    jitterMs: 2,
    ...change,
  });

  it('is poor from each single threshold on, whatever the other figures', () => {
    expect(qualityOf(path({}))).toBe('good');
    expect(qualityOf(path({ rttMs: POOR.rttMs }))).toBe('poor');
    expect(qualityOf(path({ lossFraction: POOR.lossFraction }))).toBe('poor');
    expect(qualityOf(path({ jitterMs: POOR.jitterMs }))).toBe('poor');
    expect(qualityOf(path({ rttMs: POOR.rttMs - 1 }))).toBe('fair');
    expect(qualityOf(path({ rttMs: POOR.rttMs / 2 - 1 }))).toBe('good');
  });

  it('goes by the figures there are', () => {
    expect(qualityOf({ rttMs: null, lossFraction: 0.05, jitterMs: null })).toBe('poor');
    expect(qualityOf({ rttMs: null, lossFraction: null, jitterMs: null })).toBe('unknown');
  });

  it('never gets better by a worse figure', () => {
    const order = ['good', 'fair', 'poor'];
    const figure = fc.double({ min: 0, max: 1_000, noNaN: true });
    fc.assert(
      fc.property(figure, figure, figure, figure, (rttMs, lossFraction, jitterMs, more) => {
        const rank = (figures: PathFigures) => order.indexOf(qualityOf(figures));
        const here = { rttMs, lossFraction, jitterMs };
        expect(rank({ ...here, rttMs: rttMs + more })).toBeGreaterThanOrEqual(rank(here));
        expect(rank({ ...here, jitterMs: jitterMs + more })).toBeGreaterThanOrEqual(rank(here));
      }),
    );
  });
});

describe('the layer that is asked for', () => {
  it.each([
    [{ width: 160, height: 90 }, 0],
    [{ width: 320, height: 180 }, 0],
    [{ width: 640, height: 360 }, 1],
    [{ width: 1_280, height: 720 }, 2],
    [{ width: 3_840, height: 2_160 }, 2],
    // A wide tile shows the middle of a picture that has to be as wide as the tile.
    [{ width: 1_200, height: 200 }, 2],
  ])('for %o is %i', (shown, layer) => {
    expect(layerFor(shown)).toBe(layer);
  });
});

describe('the address of a room', () => {
  it('gives the service, the slug and the invitation', () => {
    expect(parseRoomUrl('https://meet.example.org/r/weekly')).toEqual({
      serviceUrl: 'https://meet.example.org',
      slug: 'weekly',
      invitation: undefined,
    });
    expect(parseRoomUrl('https://example.org/calls/r/Weekly/?region=x#invite=a.b.c')).toEqual({
      serviceUrl: 'https://example.org/calls',
      slug: 'weekly',
      invitation: 'a.b.c',
    });
  });

  it.each(['', 'weekly', 'https://meet.example.org/', 'https://meet.example.org/r/a', 'ftp://x.org/r/weekly'])(
    '%j is none',
    (text) => {
      expect(() => parseRoomUrl(text)).toThrow(expect.objectContaining({ code: 'room-url-invalid' }));
    },
  );

  it.each([
    ['https://meet.example.org/r/weekly#invite=t', 'weekly', 't'],
    ['meet.example.org/r/weekly', 'weekly', undefined],
    ['/r/weekly', 'weekly', undefined],
    ['weekly', 'weekly', undefined],
    ['  Weekly Call ', 'weekly-call', undefined],
  ])('is found in what people type: %j', (text, slug, invitation) => {
    expect(parseRoomInput(text, 'https://meet.example.org')).toEqual({ slug, invitation });
  });

  it.each(['', '  ', 'ab', '???'])('is not found in %j', (text) => {
    expect(parseRoomInput(text, 'https://meet.example.org')).toBeUndefined();
  });
});

describe('the round trips of a join', () => {
  it('are those on the longest way, not all of them', async () => {
    const watch = new Stopwatch(() => 0);
    const done = async () => {};
    await watch.step('user', { roundTrips: 1 }, done);
    await watch.step('nodes', { roundTrips: 1 }, done);
    await watch.step('probe', { roundTrips: 4, after: ['nodes'] }, done);
    await watch.step('session', { roundTrips: 1, after: ['user', 'probe'] }, done);
    expect(watch.read().sequentialRoundTrips).toBe(6);
  });

  it('leave out a step that failed', async () => {
    const watch = new Stopwatch(() => 0);
    await expect(watch.step('session', { roundTrips: 1 }, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(watch.read()).toEqual({ steps: [], marks: {}, sequentialRoundTrips: 0 });
  });
});
