import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './ports.ts';
import { type RedisProcess, redisCall, startRedis } from './redis.ts';

export interface RedisSentinelProcess {
  /** `redis+sentinel://host:port/main` */
  readonly url: string;
  /** The master at the start. */
  readonly master: RedisProcess;
  readonly replica: RedisProcess;
  /** A command to the sentinel, by redis-cli. */
  call(...command: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a master with one replica, watched by one real sentinel that calls it dead after `downAfterMs`. */
export async function startRedisSentinel({ downAfterMs = 500 } = {}): Promise<RedisSentinelProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'meridian-sentinel-'));
  const started: { stop(): Promise<void> }[] = [{ stop: () => rm(dir, { recursive: true, force: true }) }];
  const stop = async () => {
    for (const part of started.splice(0).reverse()) await part.stop();
  };
  try {
    const master = await startRedis();
    started.push(master);
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
    started.push(replica);
    const port = await freePort();
    const config = join(dir, 'sentinel.conf');
    await writeFile(
      config,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${dir}`,
        `sentinel monitor main 127.0.0.1 ${master.port} 1`,
        `sentinel down-after-milliseconds main ${downAfterMs}`,
        'sentinel failover-timeout main 3000',
      ].join('\n'),
    );
    const sentinel = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' });
    started.push({
      stop: async () => {
        if (sentinel.exitCode !== null || sentinel.signalCode !== null) return;
        const gone = new Promise((resolve) => sentinel.once('exit', resolve));
        sentinel.kill('SIGKILL');
        await gone;
      },
    });
    const call = (...command: string[]) => redisCall(port, command);
    await eventually('the sentinel knows the master and its replica', async () => {
      const info = await call('INFO', 'sentinel');
      const replicas = await call('SENTINEL', 'REPLICAS', 'main');
      return info.includes('status=ok,') && info.includes('slaves=1') && replicas.includes(String(replica.port));
    });
    return { url: `redis+sentinel://127.0.0.1:${port}/main`, master, replica, call, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
