import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import { freePort } from './ports.ts';

const deployed = fileURLToPath(new URL('../../../deploy/prometheus/', import.meta.url));

export interface PrometheusOptions {
  /** Target of deploy/prometheus/prometheus.yml -> where it really listens, `host:port`. Targets that are not named are nowhere. */
  readonly targets: Readonly<Record<string, string>>;
  readonly scrapeEveryS: number;
}

export interface PrometheusProcess {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a private Prometheus with the deployed configuration and alerts, on a free port of loopback: only targets and how often
 * they are scraped differ.
 * @throws Error when Prometheus is not installed, or says what it dislikes in the configuration.
 */
export async function startPrometheus({ targets, scrapeEveryS }: PrometheusOptions): Promise<PrometheusProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-prometheus-'));
  let child: ChildProcess | undefined;
  const stop = async () => {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child?.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await cp(deployed, folder, { recursive: true });
    const file = join(folder, 'prometheus.yml');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text
        .replaceAll(/_interval: \d+s/g, `_interval: ${scrapeEveryS}s`)
        // Port 1 of loopback: nobody is there.
        .replaceAll(/"([a-z0-9.-]+:\d+)"/g, (_, target: string) => `"${targets[target] ?? '127.0.0.1:1'}"`),
    );
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    child = spawn(
      'prometheus',
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2_000);
    });
    let failed: Error | undefined;
    child.once('error', (cause) => {
      failed = new Error('Prometheus could not be started', { cause });
    });
    child.once('exit', (code) => {
      failed ??= new Error(`Prometheus ended (${code}): ${output}`);
    });
    await eventually(
      'Prometheus is ready',
      async () => failed !== undefined || (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true,
      { withinMs: 30_000, everyMs: 50 },
    );
    if (failed) throw failed;
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
