import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { MeridianError } from '@meridian/protocol';
import type { Registry } from 'prom-client';

/** Longer than Prometheus leaves between two scrapes. */
const LAST_SCRAPE_WITHIN_MS = 35_000;

export interface MetricsServerOptions {
  readonly registry: Registry;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Serves `/metrics` while an experiment runs. */
export class MetricsServer {
  readonly port: number;
  readonly #server: Server;
  readonly #scraped: () => boolean;
  readonly #nextScrape: () => Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, port: number, scraped: () => boolean, nextScrape: () => Promise<void>) {
    this.#server = server;
    this.port = port;
    this.#scraped = scraped;
    this.#nextScrape = nextScrape;
  }

  /** @throws MeridianError `config-invalid` when the address cannot be used */
  static async start({ registry, host, port }: MetricsServerOptions): Promise<MetricsServer> {
    let scrapes = 0;
    const waiting: (() => void)[] = [];
    const server = createServer(async (request, response) => {
      if (request.url !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      try {
        const page = await registry.metrics();
        response.writeHead(200, { 'content-type': registry.contentType }).end(page, () => {
          scrapes += 1;
          for (const tell of waiting.splice(0)) tell();
        });
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
    server.listen(port, host);
    await once(server, 'listening').catch((cause: unknown) => {
      throw new MeridianError('config-invalid', {
        message: `--metrics: ${host}:${port} cannot be listened on: ${String(cause)}`,
        cause,
      });
    });
    const address = server.address();
    const listening = typeof address === 'object' && address !== null ? address.port : port;
    return new MetricsServer(
      server,
      listening,
      () => scrapes > 0,
      () =>
        new Promise((resolve) => {
          waiting.push(resolve);
        }),
    );
  }

  /**
   * Waits until the last figures have been fetched, then closes; not for long, and not at all where nobody has ever
   * fetched any. Idempotent.
   * @param signal ends the wait
   */
  finish(signal: AbortSignal): Promise<void> {
    this.#closing ??= this.#finish(signal);
    return this.#closing;
  }

  async #finish(signal: AbortSignal): Promise<void> {
    if (this.#scraped() && !signal.aborted) {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(LAST_SCRAPE_WITHIN_MS)]);
      await Promise.race([this.#nextScrape(), once(enough, 'abort')]);
    }
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** `9464` or `0.0.0.0:9464`. @throws MeridianError `config-invalid` */
export function parseListenAddress(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) {
    throw new MeridianError('config-invalid', { message: `--metrics must be [HOST:]PORT, not "${text}"` });
  }
  return { host, port };
}
