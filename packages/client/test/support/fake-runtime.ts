import { Device, FakeHandler, testFakeParameters } from 'mediasoup-client';
import type { Runtime, Socket, SocketEvents } from '../../src/index.ts';

type FetchHandler = (request: { method: string; url: URL; token: string | undefined; body: unknown }) => unknown;

/** An answer other than 200 with JSON. */
export class HttpFailure extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, body: unknown) {
    super(`status ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The world as the SDK sees it, with a clock that stands still until it is moved. */
export class FakeRuntime implements Runtime {
  /** What `random()` returns. */
  chance = 0;
  online = true;
  readonly opened: { url: string; protocols: readonly string[] }[] = [];
  readonly calls: string[] = [];
  readonly #timers = new Set<{ atMs: number; run: () => void }>();
  readonly #online = new Set<() => void>();
  readonly #pageHide = new Set<() => void>();
  readonly #network = new Set<() => void>();
  readonly #visible = new Set<() => void>();
  #nowMs = 1_000;
  onFetch: FetchHandler = () => {
    throw new TypeError('fetch failed');
  };
  onSocket: (url: string, protocols: readonly string[], events: SocketEvents) => Socket = (
    _url,
    _protocols,
    events,
  ) => {
    queueMicrotask(() => events.closed({ code: 1006, reason: '' }));
    return { send() {}, close() {} };
  };

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const parsed = new URL(url);
    const method = init.method ?? 'GET';
    this.calls.push(`${method} ${parsed.pathname}`);
    const signal = init.signal ?? undefined;
    const header = new Headers(init.headers).get('authorization');
    const aborted = new Promise<never>((_resolve, reject) => {
      if (signal?.aborted) reject(new DOMException('aborted', 'AbortError'));
      signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')), { once: true });
    });
    aborted.catch(() => {});
    try {
      const answer = await Promise.race([
        Promise.resolve().then(() =>
          this.onFetch({
            method,
            url: parsed,
            token: header?.replace('Bearer ', ''),
            body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
          }),
        ),
        aborted,
      ]);
      return new Response(JSON.stringify(answer ?? {}), { status: 200 });
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      const text = typeof error.body === 'string' ? error.body : JSON.stringify(error.body);
      return new Response(text, { status: error.status });
    }
  }

  openSocket(url: string, protocols: readonly string[], events: SocketEvents): Socket {
    this.opened.push({ url, protocols });
    this.calls.push(`WS ${url}`);
    return this.onSocket(url, protocols, events);
  }

  createDevice(): Device {
    return new Device({ handlerFactory: FakeHandler.createFactory(testFakeParameters) });
  }

  now = (): number => this.#nowMs;
  random = (): number => this.chance;
  isOnline = (): boolean => this.online;

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  onOnline(listener: () => void): () => void {
    this.#online.add(listener);
    return () => this.#online.delete(listener);
  }

  onPageHide(listener: () => void): () => void {
    this.#pageHide.add(listener);
    return () => this.#pageHide.delete(listener);
  }

  onNetworkChange(listener: () => void): () => void {
    this.#network.add(listener);
    return () => this.#network.delete(listener);
  }

  onVisible(listener: () => void): () => void {
    this.#visible.add(listener);
    return () => this.#visible.delete(listener);
  }

  changeNetwork(): void {
    for (const listener of [...this.#network]) listener();
  }

  showPage(): void {
    for (const listener of [...this.#visible]) listener();
  }

  /** A value after some time of this clock. */
  later<T>(ms: number, value: T): Promise<T> {
    return new Promise((resolve) => this.after(ms, () => resolve(value)));
  }

  comeOnline(): void {
    this.online = true;
    for (const listener of [...this.#online]) listener();
  }

  hidePage(): void {
    for (const listener of [...this.#pageHide]) listener();
  }

  /** Timers that are still to come. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the clock, running what is due in order, with all promises settled in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = due.atMs;
      due.run();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

/** Lets everything that is waiting on settled promises run. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
