import { describe, test } from 'vitest';
import { faultStage } from './fault-stage.ts';

describe('something is missing or wrong while a call runs', () => {
  describe('the database', () => {
    const stage = faultStage('mongodb');

    test('is gone: calls, joins of known users and chat go on, and the chat is stored later', () =>
      stage.strike('mongodb-gone'));
  });

  describe('ports for relays', () => {
    const stage = faultStage('few-pipes');

    test('run out: the relay too many is refused and comes as soon as there is one', () => stage.strike('pipe-ports'));
  });

  describe("a node's clock", () => {
    const stage = faultStage('clock');

    test('is five minutes ahead: leases and tokens work, and it is reported', () => stage.strike('clock-ahead'));
  });
});
