import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { distanceKm, estimatedRttMs } from '../../src/index.ts';
import { AMSTERDAM, HO_CHI_MINH_CITY, HONG_KONG, KUALA_LUMPUR, SINGAPORE } from '../builders.ts';

const coordinates = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
});

describe('great-circle distance', () => {
  test('agrees with known distances within one per cent', () => {
    const known: [number, number][] = [
      [distanceKm(AMSTERDAM, SINGAPORE), 10_500],
      [distanceKm(HO_CHI_MINH_CITY, SINGAPORE), 1_095],
      [distanceKm(HO_CHI_MINH_CITY, HONG_KONG), 1_504],
      // A quarter of the way round the earth.
      [distanceKm({ latitude: 90, longitude: 0 }, { latitude: 0, longitude: 77 }), 10_007.5],
    ];
    for (const [computed, expected] of known) expect(Math.abs(computed / expected - 1)).toBeLessThan(0.01);
  });

  test('takes the short way over the date line', () => {
    expect(distanceKm({ latitude: 0, longitude: 179.5 }, { latitude: 0, longitude: -179.5 })).toBeCloseTo(111.2, 0);
  });

  test('is a metric: symmetric, zero for itself, at most half the circumference, triangle inequality', () => {
    fc.assert(
      fc.property(coordinates, coordinates, coordinates, (a, b, c) => {
        expect(distanceKm(a, b)).toBeCloseTo(distanceKm(b, a), 6);
        expect(distanceKm(a, a)).toBe(0);
        expect(distanceKm(a, b)).toBeLessThanOrEqual(20_015.2);
        expect(distanceKm(a, c)).toBeLessThanOrEqual(distanceKm(a, b) + distanceKm(b, c) + 1e-3);
      }),
    );
  });
});

test('estimated round trips lie within 15 ms of the reported ones', () => {
  const reported: [number, number][] = [
    [distanceKm(AMSTERDAM, SINGAPORE), 181],
    [distanceKm(SINGAPORE, KUALA_LUMPUR), 10],
    [distanceKm(SINGAPORE, HONG_KONG), 40],
    [distanceKm(HO_CHI_MINH_CITY, SINGAPORE), 40],
    [distanceKm(HO_CHI_MINH_CITY, HONG_KONG), 26],
  ];
  for (const [km, rttMs] of reported) expect(Math.abs(estimatedRttMs(km) - rttMs)).toBeLessThan(15.1);
});
