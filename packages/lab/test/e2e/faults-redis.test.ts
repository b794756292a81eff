import { describe, test } from 'vitest';
import { faultStage } from './fault-stage.ts';

describe('Redis fails in the middle of a call', () => {
  describe('the only one', () => {
    const stage = faultStage('plain');

    test('is killed and comes back empty: media goes on, joins get 503, all is announced anew', () =>
      stage.strike('redis-restart'));

    test('is frozen: media goes on, joins get 503, nobody is lost or doubled', () => stage.strike('redis-frozen'));

    test('refuses writes: media goes on, joins get 503, nobody is lost or doubled', () =>
      stage.strike('redis-refuses-writes'));
  });

  describe('the master behind a Sentinel', () => {
    const stage = faultStage('sentinel');

    test('is killed: the replica takes over, media and state go on', () => stage.strike('sentinel-failover'));
  });

  describe("the room's master of a Redis Cluster", () => {
    const stage = faultStage('redis-cluster');

    test('is killed: its replica takes over, media and state go on', () => stage.strike('cluster-master'));
  });
});
