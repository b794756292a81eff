import { beforeEach, describe, expect, it } from 'vitest';
import { join, memoryStore } from '../../src/index.ts';
import { FakeCluster, ROOM_URL } from '../support/fake-cluster.ts';
import { FakeRuntime } from '../support/fake-runtime.ts';

let runtime: FakeRuntime;
let cluster: FakeCluster;
beforeEach(() => {
  runtime = new FakeRuntime();
  cluster = new FakeCluster(runtime);
});

const options = () => ({ name: 'Anna', runtime, store: memoryStore() });

describe('join', () => {
  it('goes to the session service, the node, the service and the node again, in this order', async () => {
    const room = await join(ROOM_URL, options());
    const calls = runtime.calls.filter((call) => !call.includes('probe'));
    expect(calls.slice(0, 2).sort()).toEqual(['GET /v1/nodes', 'POST /v1/guests']);
    expect(calls.slice(2)).toEqual([
      'POST /v1/sessions',
      'WS wss://ams-1.example.org/ws',
      'POST /v1/rooms/weekly/join',
    ]);
    expect(cluster.connection.methods[0]).toBe('join');
    expect(room.phase).toEqual({ name: 'connected' });
    await room.leave();
  });
});
