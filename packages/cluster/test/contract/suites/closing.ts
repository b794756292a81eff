import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { attach, newSessionId, nodeA, nodeRecord, person, roomId, World } from '../../support/world.ts';

export function closingSuite(backend: () => Backend): void {
  describe('closing', () => {
    it('withdraws what was announced, and everything refuses afterwards', async () => {
      const world = new World(backend());
      const [cluster, other] = [await world.open(), await world.open({ maxAgeMs: 0 })];
      const announcement = await cluster.announce(nodeRecord(nodeA));
      const inbox = await cluster.inbox(nodeA);
      await Promise.all([cluster.close(), cluster.close()]);
      expect(announcement.announced).toBe(false);
      expect(await other.registry.list()).toEqual([]);
      const closed = { code: 'closed' };
      await expect(cluster.registry.list()).rejects.toMatchObject(closed);
      await expect(cluster.registry.reserve(nodeA, newSessionId())).rejects.toMatchObject(closed);
      await expect(attach(cluster, person())).rejects.toMatchObject(closed);
      await expect(cluster.rooms.snapshot(roomId)).rejects.toMatchObject(closed);
      await expect(cluster.announce(nodeRecord(nodeA))).rejects.toMatchObject(closed);
      await expect(cluster.inbox(nodeA)).rejects.toMatchObject(closed);
      await expect(inbox.request(nodeA, 'ping', {})).rejects.toMatchObject(closed);
      await expect(announcement.update({ state: 'draining' })).rejects.toMatchObject(closed);
      await announcement.withdraw();
    });

    it('leaves nothing behind that keeps a process alive', async () => {
      const world = new World(backend());
      const script = fileURLToPath(new URL('../../support/open-and-close.ts', import.meta.url));
      const run = promisify(execFile)(process.execPath, [script, backend().url, world.prefix], { timeout: 30_000 });
      await expect(run).resolves.toEqual({ stdout: '', stderr: '' });
    });
  });
}
