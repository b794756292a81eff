import { eventually, startRedisSentinel } from '@meridian/harness';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openCluster } from '../../src/index.ts';
import { join, leave, listen, nodeA, nodeRecord, person, roomId } from '../support/world.ts';

describe('behind a Sentinel', () => {
  it('a failover costs a moment: commands, subscriptions and the node come back on the new master', async () => {
    const sentinel = await startRedisSentinel();
    onTestFinished(() => sentinel.stop());
    const { url, master, replica } = sentinel;
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
    await master.kill();
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
