import type { CampaignEvent } from './campaign.ts';

export interface Terminal {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

const WIDTH = 28;

/** `mm:ss` or `h:mm:ss`. */
export function clockText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${two(minutes)}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

export function bar(done: number): string {
  const full = Math.round(Math.min(1, Math.max(0, done)) * WIDTH);
  return `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}`;
}

/** Shows how far a campaign is: a bar that moves on a terminal, a line per run elsewhere. */
export class Screen {
  readonly #terminal: Terminal;
  #bar = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  readonly show = (event: CampaignEvent): void => {
    switch (event.type) {
      case 'note':
        this.line(`  ${event.text}`);
        return;
      case 'run-begins':
      case 'run-progress': {
        const { done, leftMs, block, blocks, arm, what } = event;
        this.#bar = `${bar(done)} ${(100 * done).toFixed(0).padStart(3)} %  block ${block + 1}/${blocks}  ${arm}: ${what}, ${clockText(leftMs)} left`;
        this.#draw();
        return;
      }
      case 'run-ended': {
        const { header, end, valid } = event.run;
        const why = valid ? '' : `  not used: ${(end?.invalidBecause ?? []).join('; ')}`;
        this.line(
          `block ${header.block + 1}  ${header.arm.padEnd(16)} ${valid ? 'ok' : 'INVALID'}  ${clockText(event.tookMs)}${why}`,
        );
        return;
      }
    }
  };

  line(text: string): void {
    if (this.#terminal.isTTY) this.#terminal.write('\r\x1b[K');
    this.#terminal.write(`${text}\n`);
    this.#draw();
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#terminal.isTTY) this.#terminal.write('\r\x1b[K');
    this.#bar = '';
  }

  #draw(): void {
    if (this.#terminal.isTTY && this.#bar !== '') this.#terminal.write(`\r\x1b[K${this.#bar}`);
  }
}
