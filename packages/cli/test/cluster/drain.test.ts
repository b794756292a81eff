import { type RedisProcess, startRedis } from '@meridian/harness';
import type { DrainProgress } from '@meridian/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NOW } from '../builders.ts';
import { FakeNode, meridian } from './support.ts';

const progress = (change: Partial<DrainProgress>): DrainProgress => ({
  startedAtMs: NOW,
  deadlineAtMs: NOW + 60_000,
  sessions: 3,
  asked: 0,
  moved: 0,
  left: 3,
  told: 0,
  ...change,
});

describe('meridian drain', () => {
  let redis: RedisProcess;
  let at: { url: string; keyPrefix: string };
  let prefixes = 0;
  let target: string[];
  let node: FakeNode;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    prefixes += 1;
    at = { url: redis.url, keyPrefix: `drain${prefixes}:` };
    target = ['--redis', at.url, '--redis-prefix', at.keyPrefix];
    node = await FakeNode.start(at, 'eu-1');
  });
  afterEach(() => node.stop());

  it('starts it with the times that were given and says how far it is', async () => {
    node.drainAnswers = [{ state: 'draining', drain: progress({ asked: 1, left: 3 }) }];
    const { code, out } = await meridian(['drain', 'eu-1', '--deadline', '90s', '--spread', '1.5s', ...target]);
    expect(code).toBe(0);
    expect(node.drainRequests).toEqual([{ action: 'start', deadlineMs: 90_000, spreadMs: 1_500 }]);
    expect(out).toBe('eu-1: draining, 1 of 3 sessions asked, 0 moved, 3 left, 1 min 0 s to go');
  });

  it('leaves the times to the node otherwise, and takes it back', async () => {
    await meridian(['drain', 'eu-1', ...target]);
    const { out } = await meridian(['drain', 'eu-1', '--cancel', ...target]);
    expect(node.drainRequests).toEqual([{ action: 'start' }, { action: 'cancel' }]);
    expect(out).toBe('eu-1: ready, takes sessions');
  });

  it('goes on telling until nobody is left', async () => {
    node.drainAnswers = [
      { state: 'draining', drain: progress({}) },
      { state: 'draining', drain: progress({ asked: 2, moved: 1, left: 2 }) },
      { state: 'draining', drain: progress({ asked: 2, moved: 1, left: 2 }) },
      { state: 'draining', drain: progress({ asked: 3, moved: 2, left: 0 }) },
    ];
    const { code, out } = await meridian(['drain', 'eu-1', '--watch', ...target]);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'eu-1: draining, 0 of 3 sessions asked, 0 moved, 3 left, 1 min 0 s to go',
      'eu-1: draining, 2 of 3 sessions asked, 1 moved, 2 left, 1 min 0 s to go',
      'eu-1: draining, 3 of 3 sessions asked, 2 moved, nobody is left',
      'eu-1: drained; of 3 sessions 2 moved, 1 left by themselves',
    ]);
  });

  it('fails when somebody had to be told to join again, or somebody took it back', async () => {
    node.drainAnswers = [{ state: 'draining', drain: progress({ asked: 3, moved: 1, left: 0, told: 2 }) }];
    const late = await meridian(['drain', 'eu-1', '--watch', ...target]);
    expect(late.code).toBe(1);
    expect(late.out).toContain('of 3 sessions 1 moved, 2 told to join again');
    node.drainAnswers = [{ state: 'draining', drain: progress({}) }, { state: 'ready' }];
    const taken = await meridian(['drain', 'eu-1', '--watch', ...target]);
    expect(taken.code).toBe(1);
    expect(taken.out).toContain('taken back');
  });

  it('tells the same as JSON', async () => {
    node.drainAnswers = [{ state: 'draining', drain: progress({ left: 1 }) }];
    const { out } = await meridian(['drain', 'eu-1', '--json', ...target]);
    expect(JSON.parse(out)).toMatchObject({ nodeId: 'eu-1', state: 'draining', drain: { left: 1 } });
  });

  it('says which nodes there are when it is asked for another one', async () => {
    const { code, err } = await meridian(['drain', 'eu-9', ...target]);
    expect(code).toBe(1);
    expect(err).toBe('meridian: there is no live node "eu-9": there are eu-1 [node-unknown]');
  });

  it('says that a node does not answer', async () => {
    const silent = await FakeNode.start(at, 'eu-2', { answers: false });
    const { code, err } = await meridian(['drain', 'eu-2', ...target]);
    expect(code).toBe(1);
    expect(err).toContain('eu-2 does not answer (3 s)');
    await silent.stop();
  });

  it('refuses a time without a unit', async () => {
    const { code, err } = await meridian(['drain', 'eu-1', '--deadline', '60', ...target]);
    expect(code).toBe(2);
    expect(err).toContain('a time such as 500ms, 30s, 5m or 1h');
    expect(node.drainRequests).toEqual([]);
  });

  it('is seen in the list of nodes', async () => {
    const draining = await FakeNode.start(at, 'eu-3', { state: 'draining', drain: progress({ left: 2 }) });
    const { out } = await meridian(['nodes', ...target]);
    expect(out).toMatch(/eu-3 .* draining, 2 left /);
    await draining.stop();
  });
});
