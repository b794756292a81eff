import type { SignallingSocket } from '../../src/signalling/connection.ts';

/** A WebSocket whose network can be stopped. */
export class FakeSocket implements SignallingSocket {
  readonly frames: unknown[] = [];
  isOpen = true;
  stopped = false;
  pings = 0;
  terminated = false;
  closed: { code: number; reason: string } | undefined;
  bufferedAmount = 0;
  #waiting: { text: string; sent: () => void }[] = [];

  send(text: string, sent: () => void): void {
    if (this.stopped) {
      this.bufferedAmount += text.length;
      this.#waiting.push({ text, sent });
      return;
    }
    this.frames.push(JSON.parse(text));
    queueMicrotask(sent);
  }

  /** The network takes `count` frames. */
  drain(count = Number.POSITIVE_INFINITY): void {
    for (let taken = 0; taken < count; taken++) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.bufferedAmount -= next.text.length;
      this.frames.push(JSON.parse(next.text));
      next.sent();
    }
  }

  close(code: number, reason: string): void {
    this.isOpen = false;
    this.closed = { code, reason };
  }

  terminate(): void {
    this.isOpen = false;
    this.terminated = true;
  }

  ping(): void {
    this.pings += 1;
  }
}
