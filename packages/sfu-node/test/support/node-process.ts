import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually, freePort } from '@meridian/harness';
import type { TestCluster } from './test-cluster.ts';
import { ISSUER } from './token-issuer.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export const PROCESS_NODE = 'proc-1';

export interface NodeProcess {
  readonly child: ChildProcess;
  /** All that it has written. */
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

/** Nodes as processes of their own, for what only a process does: settings, signals, exit codes. */
export class NodeProcesses {
  readonly #children: ChildProcess[] = [];

  run(env: Readonly<Record<string, string>>): NodeProcess {
    const { PATH = '', HOME = '', MEDIASOUP_WORKER_BIN = '' } = process.env;
    const inherited = { PATH, HOME, ...(MEDIASOUP_WORKER_BIN === '' ? {} : { MEDIASOUP_WORKER_BIN }) };
    const child = spawn(process.execPath, [MAIN], { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    return {
      child,
      output: () => output,
      exited: new Promise((resolve) => child.once('exit', (code) => resolve(code))),
    };
  }

  /** One that is ready for sessions. */
  async ready(cluster: TestCluster, env: Record<string, string> = {}): Promise<NodeProcess & { readonly url: string }> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const running = this.run({ ...environmentOf(cluster, port), ...env });
    await eventually('the node is ready', async () => (await fetch(`${url}/readyz`)).ok, { withinMs: 30_000 });
    return { ...running, url };
  }

  kill(): void {
    for (const child of this.#children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  }
}

export const environmentOf = (cluster: TestCluster, httpPort: number): Record<string, string> => ({
  MERIDIAN_NODE_ID: PROCESS_NODE,
  MERIDIAN_REGION: 'eu-west',
  MERIDIAN_LATITUDE: '52.37',
  MERIDIAN_LONGITUDE: '4.9',
  MERIDIAN_PUBLIC_WS_URL: `ws://127.0.0.1:${httpPort}/ws`,
  MERIDIAN_PUBLIC_PROBE_URL: `http://127.0.0.1:${httpPort}/probe`,
  MERIDIAN_JWKS_URL: cluster.issuer.jwksUrl,
  MERIDIAN_ISSUER: ISSUER,
  MERIDIAN_HTTP_PORT: String(httpPort),
  MERIDIAN_REDIS_URL: cluster.redis.url,
  MERIDIAN_REDIS_PREFIX: cluster.prefix,
  MERIDIAN_WORKERS: '1',
  MERIDIAN_RTC_LISTEN_IP: '127.0.0.1',
  MERIDIAN_RTC_PORT: '0',
});
