import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { startCall, startCluster, type TestCall } from './outages/call.ts';
import { callGoesOn, type Fault } from './outages/goes-on.ts';

let cluster: Awaited<ReturnType<typeof startCluster>>;
let call: TestCall;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.remove());
beforeEach(async () => {
  call = await startCall(cluster);
});
afterEach(() => call?.end());

const FAULTS: readonly (readonly [string, Fault])[] = [
  [
    'killed and started again empty',
    async () => {
      await cluster.redis.kill();
      return () => cluster.redis.startAgain();
    },
  ],
  [
    'frozen for longer than a lease',
    async () => {
      await cluster.redis.freeze();
      return async () => cluster.redis.thaw();
    },
  ],
  ['out of memory', () => cluster.redis.refuseWrites('oom')],
  ['unable to save its data', () => cluster.redis.refuseWrites('misconf')],
  ['a replica that takes no writes', () => cluster.redis.refuseWrites('readonly')],
  ['reading its data from disk', () => cluster.redis.load()],
];

describe('a call over two nodes while Redis is', () => {
  test.each(FAULTS)('%s', async (_what, strike) => {
    await callGoesOn(call, strike);
  });
});
