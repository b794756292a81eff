import { type RedisProcess, startRedis, type WriteRefusal } from '@meridian/harness';
import { expect, onTestFinished } from 'vitest';
import type { AnnounceOptions, Cluster, NodeAnnouncement } from '../../src/index.ts';
import { openCluster } from '../../src/index.ts';

/** Of a node's entry: short, so that a test sees it end. */
export const LEASE = { leaseMs: 1_500, heartbeatMs: 100 } satisfies AnnounceOptions;
/** What a command fails with that did not get through. */
export const unavailable = { code: 'cluster-unavailable', retryable: true, retryAfterMs: expect.any(Number) };

/** A Redis of this test alone, which the test may stop, freeze and start again. */
export class Redis {
  #process: RedisProcess;

  private constructor(process: RedisProcess) {
    this.#process = process;
    onTestFinished(() => this.#process.stop());
  }

  static async start(): Promise<Redis> {
    return new Redis(await startRedis());
  }

  get url(): string {
    return this.#process.url;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  refuseWrites(how: WriteRefusal): Promise<() => Promise<void>> {
    return this.#process.refuseWrites(how);
  }

  load(): Promise<() => Promise<void>> {
    return this.#process.load();
  }

  /** Comes back on the same port with nothing in it. */
  async startEmpty(): Promise<void> {
    this.#process = await startRedis({ port: this.#process.port });
  }

  /** Resolves when it stands still. */
  freeze(): Promise<void> {
    return this.#process.freeze();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.process.kill(signal);
  }
}

/** Closed when the test is over. */
export async function open(url: string, options: Partial<Parameters<typeof openCluster>[0]> = {}): Promise<Cluster> {
  const cluster = await openCluster({ url, keyPrefix: 'outage', commandTimeoutMs: 300, ...options });
  onTestFinished(() => cluster.close());
  return cluster;
}

/** What a node hears of its own entry, in order. */
export const changes = (announcement: NodeAnnouncement) => {
  const heard: string[] = [];
  announcement.on('lost', () => heard.push('lost'));
  announcement.on('restored', () => heard.push('restored'));
  return heard;
};
