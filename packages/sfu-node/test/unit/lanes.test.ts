import { describe, expect, test } from 'vitest';
import { Lanes, type Order } from '../../src/signalling/lanes.ts';
import { settle } from '../support/fake-clock.ts';

/** Lanes whose work waits until it is let go; records in which order it starts and ends. */
function stage() {
  const lanes = new Lanes();
  const log: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  return {
    lanes,
    log,
    add(name: string, order: Order) {
      const gate = Promise.withResolvers<void>();
      gates.set(name, gate);
      const done = lanes.run(order, async () => {
        log.push(`${name} starts`);
        await gate.promise;
        log.push(`${name} ends`);
      });
      done.catch(() => {});
    },
    async finish(name: string) {
      gates.get(name)?.resolve();
      await settle();
    },
    async fail(name: string) {
      gates.get(name)?.reject(new Error(name));
      await settle();
    },
  };
}

const free: Order = { kind: 'free' };
const barrier: Order = { kind: 'barrier' };
const lane = (name: string): Order => ({ kind: 'lane', name });

describe('the order of requests', () => {
  test('in one lane: one after the other; different lanes and free ones side by side', async () => {
    const { add, log, finish, lanes } = stage();
    add('a1', lane('a'));
    add('a2', lane('a'));
    add('b1', lane('b'));
    add('f', free);
    await settle();
    expect(log).toEqual(['f starts', 'a1 starts', 'b1 starts']);
    expect(lanes.size).toBe(4);

    await finish('a1');
    expect(log.slice(3)).toEqual(['a1 ends', 'a2 starts']);
  });

  test('a barrier waits for everything before it, and everything after waits for it', async () => {
    const { add, log, finish } = stage();
    add('before', free);
    add('join', barrier);
    add('after', lane('a'));
    add('free-after', free);
    await settle();
    expect(log).toEqual(['before starts']);
    await finish('before');
    expect(log.slice(1)).toEqual(['before ends', 'join starts']);
    await finish('join');
    expect(log.slice(3).sort()).toEqual(['after starts', 'free-after starts', 'join ends']);
  });

  test('a failure holds nothing up', async () => {
    const { add, log, fail, lanes, finish } = stage();
    add('join', barrier);
    add('a1', lane('a'));
    add('a2', lane('a'));
    await settle();
    await fail('join');
    await fail('a1');
    expect(log).toEqual(['join starts', 'a1 starts', 'a2 starts']);
    await finish('a2');
    expect(lanes.size).toBe(0);
  });
});
