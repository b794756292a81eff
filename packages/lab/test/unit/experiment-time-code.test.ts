import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CODE_COLUMNS,
  codeLines,
  decodeTimeCode,
  encodeTimeCode,
  GREATEST_FRAME,
  GREATEST_SENDER,
  readTimeCode,
  type TimeCode,
} from '../../src/experiment/measure/time-code.ts';

const codes = fc.record({
  frame: fc.integer({ min: 0, max: GREATEST_FRAME }),
  sender: fc.integer({ min: 0, max: GREATEST_SENDER }),
});

interface Plane {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Luma as the sender draws it. */
function draw(code: TimeCode, width: number, { black = 16, white = 235 } = {}): Plane {
  const height = codeLines(width);
  const data = new Uint8Array(width * height).fill(black);
  const cell = width / CODE_COLUMNS;
  for (const [index, on] of encodeTimeCode(code).entries()) {
    if (!on) continue;
    const [column, row] = [index % CODE_COLUMNS, Math.floor(index / CODE_COLUMNS)];
    for (let y = Math.round(row * cell); y < Math.min(height, Math.round((row + 1) * cell)); y += 1) {
      data.fill(white, y * width + Math.round(column * cell), y * width + Math.round((column + 1) * cell));
    }
  }
  return { data, width, height };
}

/** Mean of the covered pixels, as an encoder's scaler does it, to any size. */
function scale(plane: Plane, width: number): Plane {
  const height = codeLines(width);
  const data = new Uint8Array(width * height);
  const factor = plane.width / width;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      let count = 0;
      for (let v = Math.floor(y * factor); v < Math.min(plane.height, Math.ceil((y + 1) * factor)); v += 1) {
        for (let u = Math.floor(x * factor); u < Math.min(plane.width, Math.ceil((x + 1) * factor)); u += 1) {
          sum += plane.data[v * plane.width + u] ?? 0;
          count += 1;
        }
      }
      data[y * width + x] = count === 0 ? 0 : sum / count;
    }
  }
  return { data, width, height };
}

/** What rough quantisation does: every block of 8 x 8 loses its detail by half, and noise is added. */
function damage({ data, width, height }: Plane, noise: number, seed: number): Plane {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const out = Uint8Array.from(data);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [left, right] = [
        data[y * width + Math.max(0, x - 2)] ?? 0,
        data[y * width + Math.min(width - 1, x + 2)] ?? 0,
      ];
      const blurred = ((data[y * width + x] ?? 0) * 2 + left + right) / 4;
      out[y * width + x] = Math.max(0, Math.min(255, blurred + random() * 2 * noise));
    }
  }
  return { data: out, width, height };
}

const read = ({ data, width }: Plane) => readTimeCode({ data, offset: 0, stride: width, step: 1 }, width);

describe('the time code of a picture', () => {
  it('is read back as it was drawn, at any size from 160 to 1280 pixels', () => {
    fc.assert(
      fc.property(codes, fc.integer({ min: 80, max: 640 }), (code, half) => {
        expect(read(draw(code, 2 * half))).toEqual(code);
      }),
    );
  });

  it('survives scaling to any size down to 160 pixels, blur, and noise of half the contrast', () => {
    fc.assert(
      fc.property(codes, fc.integer({ min: 80, max: 320 }), fc.nat(), (code, half, seed) => {
        expect(read(damage(scale(draw(code, 640), 2 * half), 60, seed))).toEqual(code);
      }),
    );
  });

  it('is read in limited and in full range, and at half the contrast', () => {
    const code = { frame: 123_456, sender: 7 };
    for (const levels of [
      { black: 0, white: 255 },
      { black: 16, white: 235 },
      { black: 80, white: 180 },
    ]) {
      expect(read(draw(code, 320, levels))).toEqual(code);
    }
  });

  it('is found in interleaved pixels too', () => {
    const code = { frame: 99, sender: 1 };
    const plane = draw(code, 320);
    const data = new Uint8Array(plane.data.length * 4);
    for (const [index, luma] of plane.data.entries()) data[index * 4 + 1] = luma;
    expect(readTimeCode({ data, offset: 1, stride: 320 * 4, step: 4 }, 320)).toEqual(code);
  });

  it('is not found in a black, a white or a grey picture', () => {
    for (const luma of [0, 127, 128, 255]) {
      expect(
        decodeTimeCode(() => luma),
        `a picture of ${luma}`,
      ).toBeUndefined();
    }
  });

  it('is refused rather than misread when up to three cells are wrong', () => {
    fc.assert(
      fc.property(codes, fc.uniqueArray(fc.nat({ max: 47 }), { minLength: 1, maxLength: 3 }), (code, wrong) => {
        const cells = encodeTimeCode(code).map((white, index) => (wrong.includes(index) ? !white : white));
        const found = decodeTimeCode((column, row) => (cells[row * CODE_COLUMNS + column] ? 235 : 16));
        expect(found).toBeUndefined();
      }),
    );
  });

  it('takes no numbers that do not fit into it', () => {
    expect(() => encodeTimeCode({ frame: GREATEST_FRAME + 1, sender: 0 })).toThrow(RangeError);
    expect(() => encodeTimeCode({ frame: 0, sender: GREATEST_SENDER + 1 })).toThrow(RangeError);
    expect(() => encodeTimeCode({ frame: 1.5, sender: 0 })).toThrow(RangeError);
  });
});
