import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arc, centreOf, dotsPath, project } from '../../src/home/globe-projection.ts';
import { landDots } from '../../src/home/land.ts';

const place = fc.record({
  latitude: fc.double({ min: -89, max: 89, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
});

const AMSTERDAM = { latitude: 52.4, longitude: 4.9 };
const SINGAPORE = { latitude: 1.4, longitude: 103.8 };
const QUITO = { latitude: 0, longitude: -78.5 };

describe('the globe', () => {
  it('shows its centre in the middle of the near side, and the antipode on the far one', () => {
    fc.assert(
      fc.property(place, (centre) => {
        const middle = project(centre, centre);
        expect(Math.hypot(middle.x, middle.y)).toBeLessThan(1e-9);
        expect(middle.front).toBe(true);
        const longitude = centre.longitude > 0 ? centre.longitude - 180 : centre.longitude + 180;
        expect(project({ latitude: -centre.latitude, longitude }, centre).front).toBe(false);
      }),
    );
  });

  it('keeps every place within its disc', () => {
    fc.assert(
      fc.property(place, place, (somewhere, centre) => {
        const { x, y } = project(somewhere, centre);
        expect(Math.hypot(x, y)).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });

  it('has north above and east to the right', () => {
    const centre = { latitude: 0, longitude: 0 };
    expect(project({ latitude: 30, longitude: 0 }, centre).y).toBeLessThan(0);
    expect(project({ latitude: 0, longitude: 30 }, centre).x).toBeGreaterThan(0);
  });

  it('turns so that the nodes are in sight', () => {
    const centre = centreOf([AMSTERDAM, SINGAPORE]);
    expect(project(AMSTERDAM, centre).front).toBe(true);
    expect(project(SINGAPORE, centre).front).toBe(true);
  });

  it('draws a line between nodes that are apart, none from a node to itself', () => {
    const centre = centreOf([AMSTERDAM, SINGAPORE]);
    expect(arc(AMSTERDAM, SINGAPORE, centre, 100)).toMatch(/^M-?[\d.]+ -?[\d.]+L/);
    expect(arc(AMSTERDAM, AMSTERDAM, centre, 100)).toBe('');
  });
});

describe('the land', () => {
  const nearest = (latitude: number, longitude: number) =>
    Math.min(...landDots().map((dot) => Math.hypot(dot.latitude - latitude, dot.longitude - longitude)));

  it.each([
    ['Berlin', 52.5, 13.4],
    ['Nairobi', -1.3, 36.8],
    ['Brasília', -15.8, -47.9],
    ['Denver', 39.7, -105],
    ['Alice Springs', -23.7, 133.9],
    ['Beijing', 39.9, 116.4],
  ])('is where %s is', (_name, latitude, longitude) => {
    expect(nearest(latitude, longitude)).toBeLessThan(4);
  });

  it.each([
    ['the Pacific', 0, -140],
    ['the Atlantic', 30, -45],
    ['the Indian Ocean', -25, 80],
  ])('is not in the middle of %s', (_name, latitude, longitude) => {
    expect(nearest(latitude, longitude)).toBeGreaterThan(8);
  });

  it('is drawn on the near side only', () => {
    const dots = (centre: typeof QUITO) => dotsPath(landDots(), centre, 100).split('M').length - 1;
    expect(dots(QUITO)).toBeGreaterThan(100);
    expect(dots(QUITO) + dots({ latitude: 0, longitude: 101.5 })).toBeLessThanOrEqual(landDots().length);
  });
});
