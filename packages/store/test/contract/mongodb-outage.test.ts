import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { eventually, freePort, type MongoServer, startMongo } from '@meridian/harness';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/index.ts';
import { aMessage, aRoom, aUser } from '../builders.ts';

const QUICK = { serverSelectionTimeoutMs: 600, operationTimeoutMs: 1_500 };

/** A signal reaches the threads of a process one by one. */
async function allThreadsStopped(pid: number): Promise<boolean> {
  const states = (await readdir(`/proc/${pid}/task`)).map(async (thread) => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
  return (await Promise.all(states)).every(Boolean);
}

describe('a MongoDB store whose server fails', () => {
  let folder: string;
  let port: number;
  let server: MongoServer;
  let store: Store;
  const start = () => startMongo({ port, dir: folder });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-outage-'));
    port = await freePort();
    server = await start();
    store = await openStore(server.database('outage'), QUICK);
  });
  afterEach(async () => {
    await store.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const unavailable = {
    code: 'store-unavailable',
    status: 503,
    retryable: true,
    retryAfterMs: expect.any(Number),
  };

  it('says store-unavailable for every kind of call while it is gone, and works again when it is back', async () => {
    const user = aUser();
    const room = aRoom();
    await store.users.create(user);
    await store.rooms.create(room);

    await server.stop();
    const calls = [
      store.ping(),
      store.users.find(user.userId),
      store.users.create(aUser()),
      store.users.raiseTokenVersion(user.userId),
      store.rooms.listByOwner(room.ownerId, 5),
      store.rooms.listByMember(user.userId, 5),
      store.rooms.delete(room.roomId),
      store.messages.keep([aMessage(room.roomId, 1)]),
      store.messages.page(room.roomId, { limit: 5 }),
      store.messages.purge(1),
      store.purgeInvitations(1),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call, inspect(call, { depth: 4 })).toMatchObject({ status: 'rejected', reason: unavailable });
    }

    server = await start();
    await eventually('the store has found its server again', async () => {
      await store.ping();
      return true;
    });
    expect(await store.users.find(user.userId)).toEqual(user);
    expect(await store.rooms.find(room.roomId)).toEqual(room);
    await store.messages.keep([aMessage(room.roomId, 1)]);
    expect(await store.messages.page(room.roomId, { limit: 5 })).toHaveLength(1);
  });

  it('reads on without an error when the server was restarted between two reads', async () => {
    const user = aUser();
    await store.users.create(user);
    await server.stop();
    server = await start();
    expect(await store.users.find(user.userId)).toEqual(user);
  });

  it('says store-unavailable when the server takes the request and never answers', async () => {
    const user = aUser();
    await store.users.create(user);
    const { pid } = server;
    if (pid === undefined) throw new Error('the server is a process of ours');
    process.kill(pid, 'SIGSTOP');
    try {
      await eventually('every thread of the server stands still', () => allThreadsStopped(pid));
      const calls = [store.users.find(user.userId), store.users.rename(user.userId, 'Grace'), store.ping()];
      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ status: 'rejected', reason: unavailable });
      }
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually('the store has its server again', async () => {
      await store.ping();
      return true;
    });
    expect(await store.users.find(user.userId)).toMatchObject({ userId: user.userId });
  });

  it('closes at once and for good while the server is gone', async () => {
    await server.stop();
    const call = store.users.find(aUser().userId);
    const settled = Promise.allSettled([call]);
    await store.close();
    const [result] = await settled;
    expect(result?.status).toBe('rejected');
    await expect(store.ping()).rejects.toMatchObject({ code: 'closed' });
  });

  it('does not open where no server is', async () => {
    const url = server.database('outage');
    await server.stop();
    await expect(openStore(url, QUICK)).rejects.toMatchObject(unavailable);
  });
});
