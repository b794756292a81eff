import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { eventually, freePort, type RedisProcess, startRedis } from '@meridian/harness';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openCluster } from '../../src/index.ts';
import { join, leave, listen, nodeA, nodeRecord, person, roomId } from '../support/world.ts';

/** A master with one replica, watched by one real sentinel. */
async function startSentinel(): Promise<{ url: string; master: RedisProcess; replica: RedisProcess }> {
  const master = await startRedis();
  onTestFinished(() => master.stop());
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  onTestFinished(() => replica.stop());
  const dir = await mkdtemp(joinPath(tmpdir(), 'meridian-sentinel-'));
  const port = await freePort();
  const config = joinPath(dir, 'sentinel.conf');
  await writeFile(
    config,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${dir}`,
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ].join('\n'),
  );
  const sentinel: ChildProcess = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' });
  onTestFinished(async () => {
    const gone = new Promise((resolve) => sentinel.once('exit', resolve));
    sentinel.kill('SIGKILL');
    await gone;
    await rm(dir, { recursive: true, force: true });
  });
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50 });
  client.on('error', () => {
    // Until the sentinel listens.
  });
  onTestFinished(() => client.disconnect());
  await eventually('the sentinel knows the master and its replica', async () => {
    const replicas = await client.call('SENTINEL', 'REPLICAS', 'main');
    expect(JSON.stringify(replicas)).toContain(String(replica.port));
    const info = await client.info();
    expect(info).toContain('status=ok,');
    expect(info).toContain('slaves=1');
  });
  return { url: `redis+sentinel://127.0.0.1:${port}/main`, master, replica };
}

describe('behind a Sentinel', () => {
  it('a failover costs a moment: commands, subscriptions and the node come back on the new master', async () => {
    const { url, master, replica } = await startSentinel();
    const cluster = await openCluster({ url, keyPrefix: 'sentinel', commandTimeoutMs: 500 });
    onTestFinished(() => cluster.close());
    const announcement = await cluster.announce(nodeRecord(nodeA), { leaseMs: 3_000, heartbeatMs: 200 });
    const heard = listen(await cluster.inbox(nodeA));
    const lease = await join(cluster, person(), nodeA);
    const direct = new Redis(replica.port, '127.0.0.1');
    onTestFinished(() => direct.disconnect());
    await eventually('the replica has the room', async () => {
      expect(await direct.hlen(`sentinel:{r:${roomId}}:participants`)).toBe(1);
    });
    master.process.kill('SIGKILL');
    await eventually(
      'the replica has become the master and is used',
      async () => {
        expect(await direct.role()).toContain('master');
        expect(cluster.status).toBe('up');
        expect(announcement.announced).toBe(true);
        expect(await cluster.registry.list()).toHaveLength(1);
        const { participants } = await cluster.rooms.snapshot(roomId);
        expect(participants.map(({ sessionId }) => sessionId)).toEqual([lease.sessionId]);
      },
      { withinMs: 30_000 },
    );
    await eventually('the subscription came back too', () => heard.gaps.includes(undefined));
    expect(await leave(cluster, lease)).toBe(true);
    await eventually('its events are heard', () => {
      expect(heard.events.at(-1)?.event).toMatchObject({ type: 'participant-left', sessionId: lease.sessionId });
    });
  });
});
