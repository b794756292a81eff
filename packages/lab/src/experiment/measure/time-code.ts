/**
 * The time code: number of a frame and of its sender as black and white cells across the top of the picture, so
 * large that they outlive scaling to a quarter and the roughest quantisation. A checksum tells a read code from a guessed one.
 *
 * 24 x 2 cells: frame (24 bits), sender (8 bits), CRC-16 (16 bits); the most significant bit first, row by row.
 */
export const CODE_COLUMNS = 24;
export const CODE_ROWS = 2;
const CELLS = CODE_COLUMNS * CODE_ROWS;

const FRAME_BITS = 24;
const SENDER_BITS = 8;
const CRC_BITS = 16;
export const GREATEST_FRAME = 2 ** FRAME_BITS - 1;
export const GREATEST_SENDER = 2 ** SENDER_BITS - 1;

/** Height of the code over the width of the picture: cells are squares. */
export const CODE_ASPECT = CODE_ROWS / CODE_COLUMNS;

export interface TimeCode {
  readonly frame: number;
  readonly sender: number;
}

/** One bit per cell, row by row; true is white. @throws RangeError for numbers that do not fit. */
export function encodeTimeCode({ frame, sender }: TimeCode): boolean[] {
  if (!Number.isInteger(frame) || frame < 0 || frame > GREATEST_FRAME)
    throw new RangeError(`no frame number: ${frame}`);
  if (!Number.isInteger(sender) || sender < 0 || sender > GREATEST_SENDER) {
    throw new RangeError(`no sender's number: ${sender}`);
  }
  return [...bitsOf(frame, FRAME_BITS), ...bitsOf(sender, SENDER_BITS), ...bitsOf(crcOf(frame, sender), CRC_BITS)];
}

/**
 * Reads the code of a picture.
 * @param lumaAt mean brightness (0 to 255) of the middle of a cell
 * @returns undefined where there is none, or where it was damaged
 */
export function decodeTimeCode(lumaAt: (column: number, row: number) => number): TimeCode | undefined {
  const bits: boolean[] = [];
  for (let cell = 0; cell < CELLS; cell += 1) {
    bits.push(lumaAt(cell % CODE_COLUMNS, Math.floor(cell / CODE_COLUMNS)) >= 128);
  }
  const frame = numberOf(bits, 0, FRAME_BITS);
  const sender = numberOf(bits, FRAME_BITS, SENDER_BITS);
  const crc = numberOf(bits, FRAME_BITS + SENDER_BITS, CRC_BITS);
  return crc === crcOf(frame, sender) ? { frame, sender } : undefined;
}

/** A picture's luma plane, as decoders give it. */
export interface LumaPlane {
  readonly data: Uint8Array;
  readonly offset: number;
  readonly stride: number;
  /** Distance of neighbouring pixels, bytes: 1 for planes, 4 where colours are interleaved. */
  readonly step: number;
}

/** Reads the code from pixels: of each cell the middle half, since edges blur. */
export function readTimeCode({ data, offset, stride, step }: LumaPlane, width: number): TimeCode | undefined {
  const cell = width / CODE_COLUMNS;
  return decodeTimeCode((column, row) => {
    const fromX = Math.round(column * cell + cell / 4);
    const toX = Math.max(fromX + 1, Math.round(column * cell + (cell * 3) / 4));
    const fromY = Math.round(row * cell + cell / 4);
    const toY = Math.max(fromY + 1, Math.round(row * cell + (cell * 3) / 4));
    let sum = 0;
    for (let y = fromY; y < toY; y += 1) {
      for (let x = fromX; x < toX; x += 1) sum += data[offset + y * stride + x * step] ?? 0;
    }
    return sum / ((toX - fromX) * (toY - fromY));
  });
}

/** Lines of a picture that hold the code; even, as planes with halved colour want it. */
export const codeLines = (width: number): number => 2 * Math.ceil((width * CODE_ASPECT) / 2);

function* bitsOf(value: number, count: number): Generator<boolean> {
  for (let bit = count - 1; bit >= 0; bit -= 1) yield ((value >>> bit) & 1) === 1;
}

function numberOf(bits: readonly boolean[], from: number, count: number): number {
  let value = 0;
  for (let bit = from; bit < from + count; bit += 1) value = value * 2 + (bits[bit] === true ? 1 : 0);
  return value;
}

/** CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xffff) of the four bytes of frame and sender. All black is no valid code. */
function crcOf(frame: number, sender: number): number {
  let crc = 0xffff;
  for (const byte of [(frame >>> 16) & 0xff, (frame >>> 8) & 0xff, frame & 0xff, sender]) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
