import { CODE_COLUMNS, codeLines, encodeTimeCode } from '../measure/time-code.ts';

const TEXTURE_SCALE = 1.5;

/**
 * Draws what a camera might see: a room with texture that sways a little, somebody who moves and talks, grain.
 * The picture is a function of sender and frame number alone, so any frame can be drawn again for comparison.
 */
export class PictureMaker {
  readonly canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #sender: number;
  readonly #fps: number;
  readonly #background: HTMLCanvasElement;
  readonly #grain: HTMLCanvasElement;

  constructor(options: { sender: number; width: number; height: number; fps: number }) {
    const { sender, width, height, fps } = options;
    this.#sender = sender;
    this.#fps = fps;
    this.canvas = canvasOf(width, height);
    this.#context = contextOf(this.canvas);
    const random = randomOf(sender + 1);
    this.#background = texture(
      Math.ceil(width * TEXTURE_SCALE),
      Math.ceil(height * TEXTURE_SCALE),
      random,
      (sender * 97) % 360,
    );
    this.#grain = grain(256, random);
  }

  draw(frame: number): void {
    const context = this.#context;
    const { width, height } = this.canvas;
    const seconds = frame / this.#fps;
    const sway = (period: number, phase: number) => Math.sin((2 * Math.PI * seconds) / period + phase + this.#sender);
    const spare = { x: this.#background.width - width, y: this.#background.height - height };
    context.drawImage(
      this.#background,
      -Math.round((spare.x * (1 + sway(9, 0))) / 2),
      -Math.round((spare.y * (1 + sway(13, 1))) / 2),
    );
    this.#person(seconds, sway);
    // Another piece of the same grain each time.
    context.globalAlpha = 0.05;
    const shift = (frame * 7_919) % 256;
    for (let x = -shift; x < width; x += 256) {
      for (let y = -((shift * 31) % 256); y < height; y += 256) context.drawImage(this.#grain, x, y);
    }
    context.globalAlpha = 1;
    this.#code(frame);
  }

  #person(seconds: number, sway: (period: number, phase: number) => number): void {
    const context = this.#context;
    const { width, height } = this.canvas;
    const unit = height / 10;
    const x = width / 2 + sway(4, 0) * unit * 1.5;
    const y = height * 0.55 + sway(2.3, 2) * unit * 0.3;
    const hue = (this.#sender * 67 + 20) % 360;
    const ellipse = (dx: number, dy: number, rx: number, ry: number, colour: string) => {
      context.fillStyle = colour;
      context.beginPath();
      context.ellipse(x + dx * unit, y + dy * unit, rx * unit, ry * unit, 0, 0, 2 * Math.PI);
      context.fill();
    };
    ellipse(0, 4.2, 3.4, 2.6, `hsl(${hue} 45% 35%)`);
    ellipse(0, 0, 1.7, 2.2, 'hsl(28 50% 68%)');
    ellipse(0, -1.3, 1.75, 1.1, 'hsl(25 35% 22%)');
    ellipse(-0.6, -0.2, 0.22, 0.14, 'hsl(210 30% 20%)');
    ellipse(0.6, -0.2, 0.22, 0.14, 'hsl(210 30% 20%)');
    ellipse(0, 1.05, 0.6, 0.08 + 0.25 * Math.abs(Math.sin(seconds * 9)), 'hsl(355 50% 40%)');
    // A hand that waves now and then.
    if (sway(6, 0) > 0.2) ellipse(3.6 + sway(0.7, 0) * 0.7, 0.8, 0.6, 0.8, 'hsl(28 50% 68%)');
  }

  #code(frame: number): void {
    const context = this.#context;
    const { width } = this.canvas;
    const cell = width / CODE_COLUMNS;
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, codeLines(width));
    context.fillStyle = '#fff';
    for (const [index, white] of encodeTimeCode({ frame, sender: this.#sender }).entries()) {
      if (!white) continue;
      const column = index % CODE_COLUMNS;
      const fromX = Math.round(column * cell);
      const fromY = Math.round(Math.floor(index / CODE_COLUMNS) * cell);
      context.fillRect(fromX, fromY, Math.round((column + 1) * cell) - fromX, Math.round(cell));
    }
  }
}

function canvasOf(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d', { alpha: false });
  if (context === null) throw new Error('this browser draws no 2D pictures');
  return context;
}

/** Smooth noise of several sizes, as walls, curtains and shelves have it. */
function texture(width: number, height: number, random: () => number, hue: number): HTMLCanvasElement {
  const canvas = canvasOf(width, height);
  const context = contextOf(canvas);
  context.fillStyle = `hsl(${hue} 25% 45%)`;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  for (const cells of [4, 12, 36, 108]) {
    const rows = Math.max(2, Math.round((cells * height) / width));
    const small = canvasOf(cells, rows);
    const pixels = contextOf(small).createImageData(cells, rows);
    for (let index = 0; index < pixels.data.length; index += 4) {
      const shade = Math.floor(random() * 256);
      pixels.data.set([shade, (shade + random() * 60) % 256, (shade + random() * 60) % 256, 255], index);
    }
    contextOf(small).putImageData(pixels, 0, 0);
    context.globalAlpha = 0.28;
    context.drawImage(small, 0, 0, width, height);
  }
  context.globalAlpha = 0.8;
  for (let shelf = 0; shelf < 14; shelf += 1) {
    context.fillStyle = `hsl(${Math.floor(random() * 360)} 40% ${20 + Math.floor(random() * 50)}%)`;
    context.fillRect(
      random() * width,
      random() * height,
      width * (0.02 + random() * 0.06),
      height * (0.1 + random() * 0.15),
    );
  }
  return canvas;
}

function grain(size: number, random: () => number): HTMLCanvasElement {
  const canvas = canvasOf(size, size);
  const context = contextOf(canvas);
  const pixels = context.createImageData(size, size);
  for (let index = 0; index < pixels.data.length; index += 4) {
    const shade = Math.floor(random() * 256);
    pixels.data.set([shade, shade, shade, 255], index);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** A linear congruential generator: the same pictures in every run. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
