import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layoutGrid } from '../../src/room/grid-layout.ts';

const GAP = 10;

describe('the grid of tiles', () => {
  it.each([
    [1, 1_256, 668, 1],
    [2, 1_256, 668, 2],
    [6, 1_256, 668, 3],
    [2, 374, 700, 1],
    [6, 374, 720, 2],
  ])('of %i in %i x %i has %i columns', (count, width, height, columns) => {
    expect(layoutGrid(count, width, height, GAP).columns).toBe(columns);
  });

  it('always fits, holds everybody, and crops no picture beyond measure', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 320, max: 2_600 }),
        fc.integer({ min: 320, max: 1_600 }),
        (count, width, height) => {
          const { columns, rows, tileWidth, tileHeight } = layoutGrid(count, width, height, GAP);
          expect(columns * rows).toBeGreaterThanOrEqual(count);
          expect((rows - 1) * columns).toBeLessThan(count);
          expect(columns * tileWidth + (columns - 1) * GAP).toBeLessThanOrEqual(width);
          expect(rows * tileHeight + (rows - 1) * GAP).toBeLessThanOrEqual(height);
          expect(tileWidth).toBeGreaterThan(0);
          const slack = 1 / Math.min(tileWidth, tileHeight);
          expect(tileWidth / tileHeight).toBeGreaterThanOrEqual(3 / 4 - slack);
          expect(tileWidth / tileHeight).toBeLessThanOrEqual((16 / 9) * (1 + 2 * slack));
        },
      ),
    );
  });
});
